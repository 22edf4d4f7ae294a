"""What a message means after the ones before it: pronouns, "and its drawbacks?", "no, I meant X", "the second point".

Pure text work, used for every model: retrieval needs a query that stands by itself. Knows no passages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.aspects import bare_aspect, own_stems
from agent.disputes import disputed
from agent.past import Past
from agent.references import FIRST_SECOND, FORMER, ORDINAL, OTHER, PAIR, THEY, Pointed, pair, pointed
from agent.sentences import content_stems

__all__ = ["CONTINUE", "Past", "Resolved", "resolve", "topic_of"]

PRONOUN = re.compile(r"(?i)\b(?:it|its|it's|they|their|them|that|this|these|those|the one|the other(?: one)?|the (?:former|latter|first|second|third)(?: one)?|"
                     r"(?:which )?of the two|both(?: of them)?|either|one of them|there|such|the same)\b")
OPENER = re.compile(r"(?i)^\s*(?:and|but|so|ok(?:ay)?|then|also|or|what about|how about|what of|why|why not|how so|how come|when|where|which|who|really|"
                    r"for example|like what|such as|in what way|in which case|compared to)\b")
CORRECTION = re.compile(r"(?i)^\s*(?:(?:oh |oops |sorry,? |wait,? )*no[,.!]*\s*(?:wait[,.]?\s*)?|sorry[,.]*\s*|oops[,.]*\s*|actually[,.]*\s*|wait[,.]*\s*)?"
                        r"(?:no[,.]?\s*)?(?:i\s+(?:actually\s+)?(?:meant?|was (?:actually |really )?asking(?: about| for)?|wanted|mean)\b(?:\s+to (?:ask|say))?(?:\s+about)?|not (?:that |the |this )?[\w-]+(?: [\w-]+)?,\s+(?:but )?(?:the )?|make that)\s*(?P<what>.+)$")
CONTINUE = re.compile(r"(?i)^\W*(?:(?:go on|continue|more|tell me more|keep going|and then|what else|anything else|next|(?:in )?more detail(?:s)?|"
                      r"elaborate|expand(?: on (?:that|it))?|yes|yep|yeah|sure|ok(?:ay)?|please do|proceed|carry on|say more|please|and|"
                      r"(?:a bit |a little )?longer|(?:can|could) you (?:go on|elaborate|say more|expand)(?: on (?:that|it))?)(?:\W+|$))+$")
NO = re.compile(r"(?i)^\W*(?:no|nope)\b[\s,.;:!-]+")
SHORTER = re.compile(r"(?i)\b(?:shorter|too long|in short|briefly|summari[sz]e (?:that|it|this)|tl;?dr|(?:in|as) (?:one|a single|two) (?:sentences?|lines?|words)|"
                     r"in a (?:nutshell|few words)|simpler|more simply|simplify|condense|dumb it down|less (?:technical|detail)|too (?:much|detailed|technical)|in (?:simple|plain) (?:words|terms|english)|eli5|like i'?m (?:new|five|5|a beginner)|too complicated)\b")
EXAMPLE = re.compile(r"(?i)^\W*(?:(?:and |can you |could you |please |give me |show me |got |any |have you |for )*(?:an? |some )?(?:concrete |real |good |simple )?"
                     r"(?:examples?|instance)(?: please| of (?:that|this|it|one)| in practice)*|like what|such as)\W*$")
NEW_TOPIC = re.compile(r"(?i)^\W*(?:(?:ok(?:ay)?|now|so|right|great|alright|thanks)[,. ]+)*(?:(?:now )?(?:for )?something (?:else|different|new)|(?:a |let's take a )?(?:new|different|another|other|unrelated) (?:topic|subject|question)|"
                       r"let'?s (?:switch|move on|change)(?: (?:the )?(?:topic|subject))?(?: to)?|moving on(?: to)?|change of (?:topic|subject)|next (?:topic|question)|switching (?:gears|topics?)|unrelated|on another note|by the way|next(?=\s*:))\W+(?:but |now )*")
FILLER = re.compile(r"(?i)^\W*(?:(?:ok(?:ay)?|right|great|good|fine|alright|got it|i see|hmm+|well|thanks)[,.! ]+)+")
BACK = re.compile(r"(?i)\b(?:back to|return(?:ing)? to|again about|once more about|as for)\s+(?:the |my |our )?(?P<which>first|earlier|previous|original|last|before)?\s*(?:topic|question|subject|thing|one)?\s*(?P<rest>.*)$")
DIFFER = re.compile(r"(?i)\b(?:differ(?:s|ent|ence)?|compare[ds]?|comparison|versus|vs\.?|better than|worse than)\b")

# Where to look, not what for: these words would only match passages that talk about notes.
META = re.compile(r"(?i)\b(?:(?:what )?(?:do|does) (?:my|the) (?:notes?|course|document)s? (?:say|tell(?: me)?|claim|mention)(?: about)?|according to (?:my|the|these) (?:notes?|course)|"
                  r"(?:as (?:listed|written|said|described) )?in (?:my|the|these) (?:own )?(?:notes?|course)|(?:my|the|these) notes? (?:say|says|claim|mention)s?(?: that| about)?|"
                  r"from my notes?|(?:can|could) you (?:please )?(?:tell|explain(?: to)?|show) me|i (?:want|would like) to (?:know|understand)|please)\b")

OUTWARD = re.compile(r"(?i)\b(?:it|its|they|them|the other)\b")
# "And Optuna?": a name alone takes the last subject's place.
AND_NAME = re.compile(r"^\s*(?:[Aa]nd|[Oo]r|[Bb]ut)\s+(?:the |an? )?(?P<name>[\w/+.-]*[A-Z0-9][\w/+.-]*(?:\s+[\w/+.-]+){0,2}?)\s*[?.!]*$")
THAT = re.compile(r"(?i)\b(?:that|this|those)\b(?=\W*(?:$|then|too|[a-z]+\W*$|are|is|does|do))")
THE_ONE = re.compile(r"(?i)\bthe [\w-]+ ones?\b")
SHORT_STEMS = 3
ASKING = frozenset(["explain", "describe", "tell", "detail", "details", "more", "elaborate", "expand", "go", "into", "about"])


@dataclass(frozen=True)
class Resolved:
    """`query` stands by itself. `kind` is new, follow_up, correction, claim, continue, shorter, example, ordinal, pair, back or
    unlisted (a point that no list has); `past` the turn it refers to; `topic` what is talked about; `point` the item meant, or
    what a learner claims; `sides` the two things that "the two" means."""

    query: str
    kind: str
    topic: str
    past: Past | None = None
    point: str = ""
    sides: tuple[str, ...] = ()


def resolve(question: str, history: Sequence[Past]) -> Resolved:
    """What a message asks, given the conversation (oldest first).

    >>> resolve("and its drawbacks?", [Past("what is a feature store", "", "feature store")]).query
    'drawbacks feature store'
    >>> resolve("what is CDC", [Past("what is a feature store", "", "feature store")]).kind
    'new'
    """
    question = META.sub(" ", question).strip() or question
    if found := NEW_TOPIC.match(question):
        rest = question[found.end() :].strip() or question
        return Resolved(rest, "new", topic_of(rest))
    question = FILLER.sub("", question).strip() or question
    talk = [past for past in history if past.topic]
    last = talk[-1] if talk else None
    if last is None:
        return Resolved(question, "new", topic_of(question))
    if found := CORRECTION.match(question):
        return _corrected(found["what"].strip(" .?!"), last)
    if (claim := disputed(question)) is not None:
        return Resolved(f"{claim} {last.topic}" if claim else last.query or last.topic, "claim", last.topic, last, claim)
    if (found := NO.match(question)) and (rest := question[found.end() :]):
        if len(rest.split()) <= 4 and not OPENER.match(rest) and own_stems(rest):
            return _corrected(rest.strip(" .?!"), last)
        question = rest
    if (short := _short(question, last)) is not None:
        return short
    return _referring(question, talk) or _follow_up(question, last)


def _short(question: str, last: Past) -> Resolved | None:
    """Go on, an example, shorter: the last question again, told otherwise."""
    if CONTINUE.match(question):
        return Resolved(last.query or last.topic, "continue", last.topic, last)
    if EXAMPLE.match(question):
        return Resolved(f"example of {last.topic}", "example", last.topic, last)
    if SHORTER.search(question) and len(content_stems(question)) <= SHORT_STEMS + 1:
        return Resolved(last.query or last.topic, "shorter", last.topic, last)
    return None


def _referring(question: str, talk: Sequence[Past]) -> Resolved | None:
    """What points to an item of a list, to the two things talked about, or to an earlier topic."""
    two = pair(talk)
    both = PAIR.search(question) or FIRST_SECOND.search(question) or (THEY.search(question) and DIFFER.search(question))
    if both and two and not OTHER.search(question):
        own = " ".join(_words(FIRST_SECOND.sub(" ", PAIR.sub(" ", THEY.sub(" ", question)))))
        return Resolved(f"{own} {two[0]} {two[1]}".strip(), "pair", f"{two[0]} and {two[1]}", talk[-1], sides=two)
    if point := pointed(question, talk):
        return _ordinal(question, point, talk[-1])
    if found := BACK.search(question):
        return _back(found, talk)
    return None


def _ordinal(question: str, found: Pointed, last: Past) -> Resolved | None:
    rest = OTHER.sub(" ", FORMER.sub(" ", ORDINAL.sub(" ", question)))
    aspect = " ".join(word for word in _words(rest) if word.lower() not in ASKING)
    if not found.point:
        # A list that is too short was meant only if nothing else is asked for.
        return None if own_stems(aspect) else Resolved(question, "unlisted", found.past.topic, found.past)
    if found.side:
        # One side of a comparison stands for itself; "the other one" is asked the same as this one was.
        known = content_stems(" ".join([*found.past.points, last.topic, "differ difference compare"]))
        if not aspect and OTHER.search(question):
            aspect = " ".join(word for word in _words(last.query) if not content_stems(word) & known)
        return Resolved(f"{aspect} {found.point}".strip(), "ordinal", found.point, found.past, found.point)
    return Resolved(f"{aspect} {found.point} {found.past.topic}".strip(), "ordinal", found.past.topic, found.past, found.point)


def _words(text: str) -> list[str]:
    """The words of a text that carry meaning."""
    return [word for word in re.findall(r"[\w'/+-]+", text) if content_stems(word)]


def topic_of(question: str) -> str:
    """The words of a question that name its subject, in order.

    >>> topic_of("How does a token bucket allow bursts?")
    'token bucket allow bursts'
    """
    cleaned = re.sub(r"(?i)(?<![\w-])(?:please|explain|describe|tell|define|list|name|compare|difference|differences|between|work|works|used|use|"
                     r"mean|means|example|examples|kind|kinds|type|types|thing|things|way|ways|main|notes|note|course|say|says|"
                     r"versus|vs|better|best|need|needed|matter|matters|important|called|exactly|actually|really|hey|hi|hello|ok|okay|so|and|then|"
                     r"again|now|me|us|does|do|is|are|can|could|should|would|difference|differ|brief|briefly|short)(?![\w-])", " ", question)
    words = [w for w in re.findall(r"[\w/+.'-]+", cleaned) if content_stems(w)]
    return " ".join(words[:8])


def _corrected(what: str, last: Past) -> Resolved:
    """"No, I meant X": the last question again with X as its subject."""
    what = re.sub(r"(?i)^(?:the |a |an )|\s+(?:one|please|instead)\b", "", what)
    subject, _, old = (part.strip() for part in re.sub(r"(?i),?\s*\b(?:not|instead of|rather than)\b", "\n", what, count=1).partition("\n"))
    if old and old.lower() in last.question.lower():
        return Resolved(re.sub(re.escape(old), lambda _: subject, last.question, flags=re.IGNORECASE), "correction", subject, last)
    return Resolved(f"{subject} {_aspect(last)}".strip(), "correction", subject, last)


def _aspect(last: Past) -> str:
    """What was asked about the last subject, beside the subject: "drawbacks", "memory", "how … handle failures"."""
    names = [word for word in last.topic.split() if any(char.isupper() for char in word)] or last.topic.split()[:1]
    drop = {word.lower() for word in names}
    return " ".join(word for word in re.findall(r"[\w'-]+", last.question) if word.lower() not in drop and content_stems(word))


def _back(found: re.Match[str], talk: Sequence[Past]) -> Resolved:
    rest = found["rest"].strip(" .?!,:-")
    which = (found["which"] or "").lower()
    # What is gone back to stands before the first stop; a question about it may follow.
    head = content_stems(re.split(r"[.:;,?!]\s|\s[–—-]\s", rest)[0])
    named = [past for past in talk if 2 * len(head & content_stems(past.topic)) > len(head)]
    # "the first topic" is the first; "the previous one" is the newest that isn't the current.
    others = [past for past in talk if not content_stems(past.topic) & content_stems(talk[-1].topic)]
    past = named[-1] if named else talk[0] if which in ("first", "original") or not others else others[-1]
    if rest and head and not named and not which:
        return Resolved(rest, "back", topic_of(rest), past)
    query = past.query or past.topic
    return Resolved(f"{rest} {past.topic}".strip() if rest and not named else f"{rest} {query}".strip() if rest else query,
                    "back", past.topic, past)


def _follow_up(question: str, last: Past) -> Resolved:
    stems, opened, leans = content_stems(question), OPENER.match(question), bool(PRONOUN.search(question) or THE_ONE.search(question))
    about = re.match(r"(?i)^\s*(?:and |but |so |ok,? )*(?:what|how) about\b", question)
    if not bare_aspect(question) and not leans and not about:
        shared = stems & content_stems(last.topic)
        # A question with words of its own is a new one, however short, unless it leans on the last with an opening word.
        if len(own_stems(question)) > 2 if opened else (len(stems) > 1 or not stems or stems - shared):
            return Resolved(question, "new", topic_of(question) or last.topic)
    # Long enough to stand alone; the pronoun most likely points inside the sentence.
    if leans and len(stems) >= 5 and not re.match(r"(?i)^\s*(?:and|but)\b", question) and not about and not DIFFER.search(question) and not OUTWARD.search(question):
        return Resolved(question, "new", topic_of(question))
    own = " ".join(re.findall(r"[\w'/+-]+", OPENER.sub("", PRONOUN.sub(" ", question)).strip(" ?.!,")))
    if about and len(stems) <= SHORT_STEMS:
        subject = topic_of(own) or own
        return Resolved(f"{subject} {last.topic}".strip(), "follow_up", f"{subject} {last.topic}".strip(), last)
    if (named := AND_NAME.match(question)) and not bare_aspect(question):
        return Resolved(f"{named['name']} {_aspect(last)}".strip(), "follow_up", named["name"], last)
    kept = " ".join(_words(own))
    why = re.match(r"(?i)^\s*(?:and |but |so )?(why|how|when)\b", question)
    if not kept:
        asked = {"when": "when to use"}.get(why[1].lower(), why[1].lower()) if why else ""
        return Resolved(f"{asked} {last.query or last.topic}".strip(), "follow_up", last.topic, last)
    # "That" is what was just said, beyond the subject of the talk.
    said = " ".join(word for word in _words(last.query) if content_stems(word) - content_stems(f"{kept} {last.topic}")) if THAT.search(question) else ""
    return Resolved(" ".join(f"{kept} {said} {last.topic}".split()), "follow_up", last.topic, last)
