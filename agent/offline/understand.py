"""What kind of question it is: the offline reasoner's first look. Knows wording, not passages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.followup import CONTINUE, Resolved, resolve, topic_of
from agent.past import Past
from agent.references import PAIR, THEY
from agent.screening import is_hostile
from agent.sentences import content_stems

Intent = Literal["explain", "compare", "list", "why", "how", "define", "compute", "quiz", "quiz_answer", "hint", "attempt", "give_up", "claim",
                 "continue", "shorter", "small_talk", "refuse", "gibberish", "empty", "about_self", "recalls"]

GREETING = re.compile(r"(?i)^\W*(?:(?:hi|hey|hello|hiya|yo|good (?:morning|evening|afternoon|day|night)|bye|goodbye|see you(?: later)?|great|nice|cool|awesome|got it|perfect|"
                      r"how are you(?: doing)?(?: today)?|how's it going|what's up|sup|lol|haha|there|tutor|all|everyone|again|ok(?:ay)?|and)\W*)+$")
THANKS = re.compile(r"(?i)^\W*(?:ok(?:ay)?[,.! ]+|great[,.! ]+)?(?:many )?(?:thanks?|thank you|thx|cheers|much appreciated)\b[^?]{0,80}$|^[^?]{0,30}\b(?:that (?:helped|cleared it up|makes sense)|i get it now|got it,? thanks)\b[^?]{0,30}$")
# "Thanks, now quiz me": thanks, and then something is asked.
WANTS_MORE = re.compile(r"(?i)\b(?:quiz|test|explain|describe|compare|list|show|tell me|give me|back to|what|how|why|which|when|where)\b(?! (?:a|an) (?:great|good|nice|clear|helpful)\b)")
FEELINGS = re.compile(r"(?i)\b(?:i'?m|i am|i feel)\b[^?]{0,25}\b(?:nervous|scared|afraid|anxious|stressed|tired|overwhelmed|frustrated|panicking|sad|lost)\b")
RECALLS = re.compile(r"(?i)\bwhat (?:did|have|was|were) (?:i|my|we)\b.*\b(?:ask(?:ed)?|said?|questions?|talk(?:ed|ing)? about|discuss(?:ed)?)\b|\bmy (?:last|first|previous) question\b")
SELF = re.compile(r"(?i)\b(?:who are you|what are you|what can you do|how do you work|are you (?:an? )?(?:ai|human|llm|language model|bot|chatgpt|person)|your name|help me use|"
                  r"who am i (?:talking|speaking|chatting) (?:to|with)|what (?:are you able to|can i ask)|what do you (?:know|do))\b")
QUIZ = re.compile(r"(?i)\b(?:quiz|test|examine|drill|interrogate) me\b|\b(?:ask|give|pose) (?:me )?(?:a |an |one |another |some )?(?:\w+ )?(?:question|quiz|exercise|flash ?card)s?\b|\bask me (?:something|anything|about)\b|\b(?:a|another) quiz\b|\bcheck my (?:understanding|knowledge)\b|\banother (?:question|one)\b")
QUIZZING = re.compile(r"(?i)\b(?:quiz(?:zes)?|test|examine|drill|interrogate|ask|give|pose|(?:check|test) my (?:understanding|knowledge)(?: of)?|me|an?|one|another|some|(?:short |quick |easy |hard )?questions?|exercises?|"
                      r"flash ?cards?|on|about|something|anything|please|i'd like|i want|want|can|could|would|you|let's|do|ok(?:ay)?|and|now|then|so|yes|more|thanks|thank|great|cool|right)\b")
HINT = re.compile(r"(?i)\b(?:hints?|clue|nudge|pointer in the right direction|don't tell me the answer|without giving (?:it|the answer) away)\b")
_ASK_FOR_IT = (r"(?:just )?(?:tell me(?: the (?:right |correct )?answer| please)?|give me the (?:answer|solution)|what(?:'s| is| was) (?:the|your) (?:right |correct )?(?:answer|solution)|"
               r"what(?:'s| is) it then|what would (?:have been|be) (?:right|correct|the answer)|show me the answer|(?:the )?(?:answer|solution),? please|reveal it)")
_TAIL = r"(?:\W+(?:please|now|then|already|this one|that one|it|to (?:it|that|this)|on (?:it|that|this)))*\W*"
HINTING = re.compile(r"(?i)\b(?:hints?|clue|nudge|get|need|have|want|another|one|more|please|can|could|may|little|small|don't|without|giving|answer|away)\b")
GIVE_UP = re.compile(rf"(?i)^\W*(?:(?:ok(?:ay)?|well|hmm+|sorry|no|please|so|then|and|now|can you|could you)\W+)*(?:(?:i )?(?:give up|i'?ll pass|pass|skip)|{_ASK_FOR_IT}){_TAIL}$|"
                     rf"[.,;!?]\s*(?:please |so |i give up|and )*(?:i )?(?:give up|{_ASK_FOR_IT}){_TAIL}$")
STUCK = re.compile(r"(?i)^\W*(?:(?:ok(?:ay)?|well|hmm+|sorry|no|still|really|honestly|i|have|i've|got)\W+)*(?:don'?t (?:really )?know|no (?:idea|clue)|dunno|not sure|idk|can'?t (?:say|tell|remember)|i'?m (?:stuck|lost)|stuck|beats me)\b.{0,30}$")
# What a reply to a hint begins with when it is a question or a wish of its own.
ASKS_ANEW = re.compile(r"(?i)^\W*(?:(?:and|but|so|ok(?:ay)?|now|then)\W+)*(?:what|which|how|why|when|where|who|whose|explain|describe|define|tell|list|name|compare|give|show|quiz|test|let's|can|could you|do you|did|should)\b")
GUESSES = re.compile(r"(?i)^\W*(?:(?:hmm+|maybe|perhaps|because|probably|i (?:think|guess|believe|would say|'d say)|so|well|um+|uh+|ah|could (?:it|they|that)|would (?:it|they|that)|is (?:it|that|this)|are (?:they|these)|does (?:it|that)|do they|something|it'?s|by|with|to|the|a|an|each|every)\b)")
COMPARE = re.compile(r"(?i)\b(?:compare|comparison|contrast|difference[s]?|differ(?:s|ent|ently)?|versus|vs\.?(?! of)|distinguish|trade-?offs? between|rather than|instead of|better than|or is it)\b|\bwhich (?:one |of (?:the|these) )?(?:\w+ ){0,3}(?:is|should|has|sends|uses|needs)\b.*\bor\b|\b\w+ or \w+\b.*\?\s*$|\b(?:which|what) of (?:the )?(?:two|both)\b")
SIDES = (
    re.compile(r"(?i)\b(?:difference[s]?|trade-?offs?|comparison|distinction|contrast|distinguish|choose|choosing|decide|differ) (?:is there |exactly |really )?between (?P<a>.+?) (?:and|or|vs\.?|versus) (?P<b>.+?)(?:[?.!,;]|$)"),
    re.compile(r"(?i)\b(?:compare|contrast|distinguish) (?P<a>.+?) (?:and|with|to|from|against|vs\.?|versus) (?P<b>.+?)(?:[?.!,;]|$)"),
    re.compile(r"(?i)\bhow (?:does|do|is|are) (?P<a>.+?) (?:differ|different|compare[d]?) (?:from|to|with|than) (?P<b>.+?)(?:[?.!,;]|$)"),
    re.compile(r"(?i)(?:^|\b(?:is|are|of|about|explain|between|what'?s|use|pick|choose|prefer|when|between|,)\s+)?(?P<a>[\w/+.' -]{2,60}?) (?:versus|vs\.?(?! of)) (?P<b>[\w/+.' -]{2,60}?)(?:[?.!,;:]|\s+(?:in|for|when|which|what|how|-)\b|$)"),
    re.compile(r"(?i)\b(?:use|pick|choose|prefer|need|take|go (?:with|for)|want|is it|should it be|better,?|get) (?P<a>[\w/+.' -]{2,50}?) (?:or|over|rather than|instead of) (?P<b>[\w/+.' -]{2,50}?)(?:[?.!,;]|$)"),
    re.compile(r"(?i)^\W*(?P<a>[\w/+.'-]+(?: [\w/+.'-]+){0,3}?) or (?P<b>[\w/+.'-]+(?: [\w/+.'-]+){0,4}?)(?:\s*[-–,:?]|$)"),
    re.compile(r"(?i)\bwhat does (?P<a>.+?) (?:do|have|offer|give|guarantee) (?:that|which) (?P<b>.+?) (?:does|do|can|has|have|doesn|can)"),
)
LIST = re.compile(r"(?i)\b(?:list|name|enumerate|which|what are|what (?:kinds?|types?|ways|steps|components|parts|blocks|metrics|strategies|methods|reasons|challenges|problems|algorithms|techniques|options|benefits|advantages|disadvantages|drawbacks)|give (?:me )?(?:some |a few )?(?:examples|reasons|ways))\b")
WHY = re.compile(r"(?i)\bwhy\b|\bwhat(?:'s| is) the (?:point|reason|purpose)\b|\bhow come\b|\bwhat for\b|\breasons?\b")
DEFINE = re.compile(r"(?i)^\W*(?:what(?:'s| is| are| does)|define|meaning of|definition of|what do (?:you|we) mean by)\b(?!.{0,12}\b(?:difference|best|reason|point of)\b)")
HOW = re.compile(r"(?i)\bhow\b|\bsteps?\b|\bprocess\b|\bexplain how\b")
COMPUTE = re.compile(r"(?i)\b(?:how (?:many|much|long|big|large|often)|calculate|compute|estimate|what(?:'s| is) the (?:qps|rps|throughput|downtime|availability|storage|bandwidth|memory|latency)|per (?:second|day|hour|minute|month|year)|simulate|run|plot|what (?:availability|qps|rps)|peak)\b")
QUANTITY = re.compile(r"(?i)(?<![\w.])\d[\d,.]*\s*(?:%|[kmbtgp]i?b?\b|[a-z]+)?|\b(?:one|two|three|four|five|six) nines?\b")
# Cyrillic and Greek letters that look Latin, as they come out of copied or disguised text.
LOOKALIKES = str.maketrans("аеорсухіјѕԁɡһӏАВЕКМНОРСТУХІЈЅαορνικετΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
                           "aeopcyxijsdghlABEKMHOPCTYXIJSaopvikεtABEZHIKMNOPTYX".replace("ε", "e"))
REVISIT = re.compile(r"(?i)^\W*(?:and |now |what (?:if|about) |same )?(?:with|at|for|using|make (?:it|that)|but with|if (?:it|there) (?:is|are|were))\b.*\d")
POINTER = re.compile(r"(?i)\b(?:it|that one|them|they|these|those|the (?:two|other|former|latter|first|second)(?: ones?)?|this|that)\b")
GARBLE = re.compile(r"[bcdfghjklmnpqrstvwxz]{6,}|(.)\1{5,}", re.IGNORECASE)


@dataclass(frozen=True)
class Understanding:
    """`query` stands by itself; `sides` are the two things of a comparison; `lines` is the question with its line breaks, where
    a table has its rows."""

    intent: Intent
    question: str
    query: str
    topic: str
    resolved: Resolved
    sides: tuple[str, ...] = ()
    numeric: bool = False
    lines: str = ""


def cleaned(question: str) -> str:
    """A question as a reader sees it, in one line: compatibility forms folded, invisible characters and odd white space removed.

    >>> cleaned("ｗｈａｔ\\u200b is\\u00a0CDC?")
    'what is CDC?'
    """
    return " ".join(_visible(question).split())


def cleaned_lines(question: str) -> str:
    """The same with its line breaks, and with the gaps between cells where there are several lines.

    >>> cleaned_lines("task | min \\n\\n load | 5")
    'task | min\\nload | 5'
    """
    lines = [line.strip() for line in _visible(question).splitlines() if line.strip()]
    return "\n".join(re.sub(r"[^\S\t]", " ", line) for line in lines) if len(lines) > 1 else cleaned(question)


def _visible(question: str) -> str:
    folded = unicodedata.normalize("NFKC", question)
    if re.search(r"[A-Za-z]", folded):
        folded = folded.translate(LOOKALIKES)
    # Accents stacked on Latin letters are dropped: words are looked up without them anyway.
    folded = "".join(c for c in unicodedata.normalize("NFD", folded) if unicodedata.category(c) != "Mn")
    visible = "".join(char for char in folded if char in "\n\t" or unicodedata.category(char) not in ("Cf", "Cc", "Co", "Cn", "Cs"))
    return visible


def understand(question: str, history: Sequence[Past]) -> Understanding:
    """The kind of a question and the query to search for."""
    text = cleaned(question)
    resolved = resolve(text, history)
    intent = _intent(text, resolved, history)
    sides = _sides(text, resolved) if intent == "compare" else ()
    if intent == "compare" and not sides:
        intent = "explain"
    past = history[-1] if history else None
    if past is not None and (intent == "give_up" or (intent in ("hint", "attempt") and past.pending)):
        past = next((each for each in reversed(history) if each.topic), past)
        asked = str(past.pending.get("query") or past.query or past.topic)
        resolved = Resolved(asked, "follow_up", past.topic, past)
    elif intent == "hint" and past is not None and not content_stems(HINTING.sub(" ", text)):
        resolved = Resolved(past.query or past.topic, "follow_up", past.topic, past)
    elif intent == "quiz":
        # What the quiz is on; "another one" goes on with the topic.
        subject = " ".join(QUIZZING.sub(" ", text).split()).strip(" .?!,:")
        if content_stems(subject):
            resolved = Resolved(subject, "new", topic_of(subject))
        elif past is not None and past.topic:
            resolved = Resolved(past.topic, "follow_up", past.topic, past)
    elif intent == "compare":
        resolved = Resolved(resolved.query, resolved.kind, " and ".join(sides), resolved.past)
    numeric = bool(QUANTITY.search(text)) and bool(COMPUTE.search(text) or REVISIT.search(text))
    return Understanding(intent, text, resolved.query, resolved.topic or topic_of(text), resolved, sides, numeric, cleaned_lines(question))


def _intent(text: str, resolved: Resolved, history: Sequence[Past]) -> Intent:
    if not text:
        return "empty"
    if is_hostile(text):
        return "refuse"
    if GREETING.match(text) or (THANKS.match(text) and not WANTS_MORE.search(text)) or (FEELINGS.search(text) and "?" not in text):
        return "small_talk"
    if SELF.search(text) and len(content_stems(text)) <= 5:
        return "about_self"
    if RECALLS.search(text) and len(text) < 100:
        return "recalls"
    if _gibberish(text):
        return "gibberish"
    pending = history[-1].pending if history else {}
    if any(past.topic for past in history) and GIVE_UP.search(text):
        return "give_up"
    if (HINT.search(text) and len(text) < 120) or (pending.get("kind") in ("quiz", "ladder") and STUCK.match(text)):
        return "hint"
    if QUIZ.search(text) and len(text) < 160:
        return "quiz"
    if pending.get("kind") == "quiz" and (not text.endswith("?") or GUESSES.match(text)) and resolved.kind not in ("shorter", "example"):
        return "quiz_answer"
    if pending.get("kind") == "ladder" and _attempts(text) and resolved.kind not in ("shorter", "example", "continue", "back"):
        return "attempt"
    if resolved.kind in ("continue", "shorter", "claim"):
        return resolved.kind  # type: ignore[return-value]
    if resolved.kind == "pair" or COMPARE.search(text):
        return "compare"
    for name, pattern in (("why", WHY), ("list", LIST), ("define", DEFINE), ("how", HOW)):
        if pattern.search(text):
            return name  # type: ignore[return-value]
    return "explain"


def _attempts(text: str) -> bool:
    """Whether a reply to a hint tries to answer: a statement or a guess, and not a question of its own."""
    return bool(GUESSES.match(text)) or (not ASKS_ANEW.match(text) and (not text.endswith("?") or len(content_stems(text)) <= 4))


def points_nowhere(question: str) -> bool:
    """"How would I monitor it?" as the first thing said: it points to something that wasn't named."""
    if CONTINUE.match(question) or re.fullmatch(r"(?i)\W*(?:(?:and|so|but|ok(?:ay)?|well)\W*)*(?:then|what|what else|next|so|more|go on|continue|why|how|how come)?\W*", question):
        return True
    rest = re.sub(r"(?i)\bnot\b", " ", POINTER.sub(" ", PAIR.sub(" it ", question)))
    return rest != question and len(content_stems(rest)) <= 1 and not re.search(r"(?i)\bit (?:is|matter|mean|help)s?\b", question)


def lacks_a_side(look: Understanding) -> bool:
    """"Compare them" when fewer than two things were talked about."""
    if look.sides or look.resolved.sides or not COMPARE.search(look.question):
        return False
    rest = COMPARE.sub(" ", THEY.sub(" ", PAIR.sub(" ", look.question)))
    return rest != COMPARE.sub(" ", look.question) and not content_stems(rest)


def _gibberish(text: str) -> bool:
    if not re.search(r"[^\W\d_]{2}|[^\x00-\x7f]", text):
        return True
    words = re.findall(r"[^\W\d_]+", text)
    latin = [word for word in words if word.isascii()]
    if not latin:
        return False
    garbled = sum(1 for word in latin if GARBLE.search(word) or (len(word) > 3 and not re.search(r"[aeiouy]", word.lower()) and not word.isupper()))
    return garbled * 2 > len(latin)


def _sides(text: str, resolved: Resolved) -> tuple[str, ...]:
    if resolved.sides:
        return resolved.sides
    for pattern in SIDES:
        found = pattern.search(text)
        if found:
            sides = tuple(_side(found[name]) for name in ("a", "b"))
            a, b = (_antecedent(side, resolved) for side in sides)
            if a and b and content_stems(a) != content_stems(b):
                return a, b
    other = re.search(r"(?i)\b(?:differ(?:s|ent)?|difference|compare[ds]?|better|worse)\b.*?\b(?:from|to|with|than|against)\s+(?P<b>.+?)(?:[?.!,;]|$)", text)
    if other and resolved.past is not None:
        b = _side(other["b"])
        if content_stems(b):
            return resolved.past.topic, b
    return ()


def _side(text: str) -> str:
    trimmed = re.sub(r"(?i)^(?:\W*(?:the|a|an|using|use|doing|having|is|are|when|should|i|we|do|does|it|if|to|what|which|how|of|about|explain|between|difference|in|and|for|that of|those of)\b)+", "", text.strip())
    return re.sub(r"(?i)\s+(?:in (?:general|practice|terms of .*)|when .*|if .*|for (?:a|an|the|my|our) .*|and (?:when|why|which|what|how) .*)$", "", trimmed).strip(" ?.!,'\"")


def _antecedent(side: str, resolved: Resolved) -> str:
    if content_stems(side):
        owned = re.sub(r"(?i)^(?:its|their)\b", "", side)
        return side if owned == side or resolved.past is None else f"{resolved.past.topic}{owned}"
    return resolved.past.topic if resolved.past is not None else ""
