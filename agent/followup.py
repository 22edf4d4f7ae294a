"""What a message means after the ones before it: pronouns, "and its drawbacks?", "no, I meant X", "the second point".

Pure text work, used for every model: retrieval needs a query that stands by itself. Knows no passages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.sentences import content_stems

PRONOUN = re.compile(r"(?i)\b(?:it|its|it's|they|their|them|that|this|these|those|the one|the other(?: one)?|the (?:former|latter|first|second|third)(?: one)?|"
                     r"both(?: of them)?|either|one of them|there|such|the same)\b")
OPENER = re.compile(r"(?i)^\s*(?:and|but|so|ok(?:ay)?|then|also|or|what about|how about|what of|why|why not|how so|how come|when|where|which|who|really|"
                    r"for example|like what|such as|in what way|in which case|compared to)\b")
CORRECTION = re.compile(r"(?i)^\s*(?:(?:oh |oops |sorry,? |wait,? )*no[,.!]*\s*(?:wait[,.]?\s*)?|sorry[,.]*\s*|oops[,.]*\s*|actually[,.]*\s*|wait[,.]*\s*)?"
                        r"(?:no[,.]?\s*)?(?:i\s+(?:actually\s+)?(?:meant?|was (?:actually |really )?asking(?: about| for)?|wanted|mean)\b(?:\s+to (?:ask|say))?(?:\s+about)?|not (?:that |the |this )?[\w-]+(?: [\w-]+)?,\s+(?:but )?(?:the )?|make that)\s*(?P<what>.+)$")
CONTINUE = re.compile(r"(?i)^\W*(?:go on|continue|more|tell me more|keep going|and then|what else|anything else|next|more detail(?:s)?|more please|"
                      r"elaborate|expand(?: on (?:that|it))?|yes(?: please)?|yep|yeah|sure|ok(?:ay)?|please do|proceed|carry on|say more|"
                      r"can you (?:go on|elaborate|say more|expand)(?: on (?:that|it))?)\W*$")
SHORTER = re.compile(r"(?i)\b(?:shorter|too long|in short|briefly|summari[sz]e (?:that|it|this)|tl;?dr|in one sentence|simpler|simplify|in (?:simple|plain) (?:words|terms|english))\b")
EXAMPLE = re.compile(r"(?i)^\W*(?:(?:and |can you |could you |please |give me |show me |got |any |have you )*(?:an? |some )?(?:concrete |real |good )?examples?(?: please| of (?:that|this|it))?)\W*$")
NEW_TOPIC = re.compile(r"(?i)^\W*(?:(?:ok(?:ay)?|now|so|right|great|alright|thanks)[,. ]+)*(?:(?:now )?(?:for )?something (?:else|different|new)|(?:a |let's take a )?(?:new|different|another|other) (?:topic|subject|question)|"
                       r"let'?s (?:switch|move on|change)(?: (?:the )?(?:topic|subject))?(?: to)?|moving on(?: to)?|change of (?:topic|subject)|next topic)\W+")
FILLER = re.compile(r"(?i)^\W*(?:(?:ok(?:ay)?|right|great|good|fine|alright|got it|i see|hmm+|well|thanks)[,.! ]+)+")
ORDINAL = re.compile(r"(?i)\b(?:the |your |point |number |item |#)?(?P<n>first|second|third|fourth|fifth|last|1st|2nd|3rd|4th|5th)\s+(?:one|point|item|step|bullet|reason|thing|part|option|bit|benefit|challenge|method|way)\b"
                     r"|\bthe (?P<b>first|second|third|fourth|fifth|last)\b(?=\s*(?:[:,?.!]|$|of (?:them|these|those)))"
                     r"|\b(?:point|number|item|step|bullet)\s*#?\s*(?P<d>[1-9]|one|two|three|four|five)\b")
BACK = re.compile(r"(?i)\b(?:back to|return to|again about|as for)\s+(?:the |my |our )?(?P<which>first|earlier|previous|original|last|before)?\s*(?:topic|question|subject|thing|one)?\s*(?P<rest>.*)$")
DIFFER = re.compile(r"(?i)\b(?:differ(?:s|ent|ence)?|compare[ds]?|comparison|versus|vs\.?|better than|worse than)\b")

# Where to look, not what for: these words would only match passages that talk about notes.
META = re.compile(r"(?i)\b(?:(?:what )?(?:do|does) (?:my|the) (?:notes?|course|document)s? (?:say|tell(?: me)?|claim|mention)(?: about)?|according to (?:my|the|these) (?:notes?|course)|"
                  r"(?:as (?:listed|written|said|described) )?in (?:my|the|these) (?:own )?(?:notes?|course)|(?:my|the|these) notes? (?:say|says|claim|mention)s?(?: that| about)?|"
                  r"from my notes?|(?:can|could) you (?:please )?(?:tell|explain(?: to)?|show) me|i (?:want|would like) to (?:know|understand)|please)\b")

NUMERALS = {"first": 1, "1st": 1, "one": 1, "second": 2, "2nd": 2, "two": 2, "third": 3, "3rd": 3, "three": 3, "fourth": 4, "4th": 4,
            "four": 4, "fifth": 5, "5th": 5, "five": 5, "last": -1}
OUTWARD = re.compile(r"(?i)\b(?:it|its|they|them|the other)\b")
SHORT_STEMS = 3
ASKING = frozenset(["explain", "describe", "tell", "detail", "details", "more", "elaborate", "expand", "go", "into", "about"])


@dataclass(frozen=True)
class Past:
    """One earlier turn, as far as later ones need it: `topic` in a few words, `query` that was searched, `points` that
    the answer listed, and what was left `pending` (a quiz question, a hint ladder, a choice)."""

    question: str
    answer: str
    topic: str = ""
    query: str = ""
    points: tuple[str, ...] = ()
    used: tuple[str, ...] = ()
    pending: dict[str, Any] = field(default_factory=dict)
    status: str = "answered"


@dataclass(frozen=True)
class Resolved:
    """`query` stands by itself. `kind` is new, follow_up, correction, continue, shorter, example, ordinal or back;
    `past` the turn it refers to; `topic` what is talked about."""

    query: str
    kind: str
    topic: str
    past: Past | None = None
    point: str = ""


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
    if CONTINUE.match(question):
        return Resolved(last.query or last.topic, "continue", last.topic, last)
    if EXAMPLE.match(question):
        return Resolved(f"example of {last.topic}", "example", last.topic, last)
    if SHORTER.search(question) and len(content_stems(question)) <= SHORT_STEMS + 1:
        return Resolved(last.query or last.topic, "shorter", last.topic, last)
    if (found := ORDINAL.search(question)) and (point := _point(found, history)):
        aspect = " ".join(w for w in re.findall(r"[\w'-]+", ORDINAL.sub(" ", question)) if content_stems(w) and w.lower() not in ASKING)
        return Resolved(f"{aspect} {point} {last.topic}".strip(), "ordinal", last.topic, last, point)
    if found := BACK.search(question):
        return _back(found, talk)
    return _follow_up(question, last)


def topic_of(question: str) -> str:
    """The words of a question that name its subject, in order.

    >>> topic_of("How does a token bucket allow bursts?")
    'token bucket allow bursts'
    """
    cleaned = re.sub(r"(?i)\b(?:please|explain|describe|tell|define|list|name|compare|difference|differences|between|work|works|used|use|"
                     r"mean|means|example|examples|kind|kinds|type|types|thing|things|way|ways|main|notes|note|course|say|says|"
                     r"versus|vs|better|best|need|needed|matter|matters|important|called|exactly|actually|really|hey|hi|hello|ok|okay|so|and|then|"
                     r"again|now|me|us|does|do|is|are|can|could|should|would|difference|differ|brief|briefly|short)\b", " ", question)
    words = [w for w in re.findall(r"[\w/+.'-]+", cleaned) if content_stems(w)]
    return " ".join(words[:8])


def _corrected(what: str, last: Past) -> Resolved:
    """"No, I meant X": the last question again with X as its subject."""
    what = re.sub(r"(?i)^(?:the |a |an )|\s+(?:one|please|instead)\b", "", what)
    subject = re.sub(r"(?i),?\s*(?:not|instead of|rather than)\b.*$", "", what).strip()
    return Resolved(f"{subject} {_aspect(last)}".strip(), "correction", subject, last)


def _aspect(last: Past) -> str:
    """What was asked about the last subject, beside the subject: "drawbacks", "memory", "how … handle failures"."""
    names = [word for word in last.topic.split() if any(char.isupper() for char in word)] or last.topic.split()[:1]
    drop = {word.lower() for word in names}
    return " ".join(word for word in re.findall(r"[\w'-]+", last.question) if word.lower() not in drop and content_stems(word))


def _point(found: re.Match[str], history: Sequence[Past]) -> str:
    number = NUMERALS.get((found["n"] or found["b"] or found["d"] or "").lower()) or int(found["d"] or 0)
    points = next((past.points for past in reversed(history) if past.points), ())
    if not points or number > len(points):
        return ""
    return points[number - 1] if number > 0 else points[-1]


def _back(found: re.Match[str], talk: Sequence[Past]) -> Resolved:
    rest = found["rest"].strip(" .?!,:-")
    which = (found["which"] or "").lower()
    named = [past for past in talk if rest and content_stems(rest) & content_stems(past.topic)]
    # "the first topic" is the first; "the previous one" is the newest that isn't the current.
    others = [past for past in talk if not content_stems(past.topic) & content_stems(talk[-1].topic)]
    past = named[-1] if named else talk[0] if which in ("first", "original") or not others else others[-1]
    query = past.query or past.topic
    return Resolved(f"{rest} {past.topic}".strip() if rest and not named else f"{rest} {query}".strip() if rest else query,
                    "back", past.topic, past)


def _follow_up(question: str, last: Past) -> Resolved:
    stems = content_stems(question)
    refers = bool(PRONOUN.search(question)) or bool(OPENER.match(question))
    shared = stems & content_stems(last.topic)
    if not refers and (len(stems) > 1 or not stems or stems - shared):
        # A question with words of its own is a new one, however short, unless it leans on the last with a pronoun.
        return Resolved(question, "new", topic_of(question) or last.topic)
    # Long enough to stand alone; the pronoun most likely points inside the sentence.
    if refers and len(stems) >= 5 and not re.match(r"(?i)^\s*(?:and|but|what about|how about)\b", question) and not DIFFER.search(question) and not OUTWARD.search(question):
        return Resolved(question, "new", topic_of(question))
    bare = OPENER.sub("", PRONOUN.sub(" ", question)).strip(" ?.!,")
    own = " ".join(re.findall(r"[\w'/+-]+", bare))
    if re.match(r"(?i)^\s*(?:and |but |so )?(?:what|how) about\b", question) and len(stems) <= SHORT_STEMS:
        subject = topic_of(own) or own
        return Resolved(f"{subject} {last.topic}".strip(), "follow_up", f"{subject} {last.topic}".strip(), last)
    kept = " ".join(w for w in own.split() if content_stems(w))
    why = re.match(r"(?i)^\s*(?:and |but |so )?(why|how)\b", question)
    if not kept:
        return Resolved(f"{why[1].lower() if why else ''} {last.query or last.topic}".strip(), "follow_up", last.topic, last)
    return Resolved(f"{kept} {last.topic}", "follow_up", last.topic, last)
