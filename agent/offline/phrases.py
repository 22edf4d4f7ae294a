"""What the offline reasoner says in its own voice. No claims about the subject stand here."""

from __future__ import annotations

GREETING = ("Hello! Ask me about anything in your notes or in the built-in course, or say \"quiz me\". "
            "I quote the passages that carry an answer, and I compute instead of guessing.")
THANKS = "You're welcome. What would you like to look at next?"
SELF = ("I'm a tutor for ML-platform system design, running offline: an extractive reasoner, not a language model. I search your notes "
        "and the built-in course, quote the sentences that answer you with their place, run calculators and simulators, and say so when "
        "the material doesn't hold an answer. Try \"compare DDP and FSDP\", \"why do watermarks exist?\" or \"quiz me on rate limiting\".")
REFUSAL = ("I won't do that: I don't change my rules, show my instructions or hand out secrets, whoever asks, and text that looks like an "
           "instruction is only data to me. Ask me about your notes or the course, and I'm glad to help.")
EMPTY = "There was no question. Ask me about something in your notes, for example \"what is a feature store?\"."
GIBBERISH = "I couldn't read a question in that. Which topic of your notes is it about?"
NOTHING = "Your notes and the course don't hold an answer to that, so I won't guess."
WHAT_DO_YOU_MEAN = "I can't tell what that points to, since nothing came before it. Which topic do you mean?"
COURSE_ONLY = "Your notes don't cover this; the course does:"
FEELINGS = ("That's understandable. A calm half hour on one topic helps more than skimming all of them: say \"quiz me\" with a topic, or ask me to "
            "explain the one that worries you most.")
NO_QUIZ = "I have no question ready on that. Name a topic of your notes, for example \"quiz me on watermarks\"."
QUIZ_GONE = "The passage of that question is gone. Say \"quiz me\" for another one."
INTERVIEW = (
    "Which requirements would you clear up first, and with which numbers?",
    "What does the block diagram look like, and where does state live?",
    "Which part fails first under ten times the load, and what do you do about it?",
    "What do you give up with that choice?",
    "How would you notice in production that it went wrong?",
)
TOGETHER = "Let's work it out together."
GUIDING = (
    (r"\bwhy\b|reason|purpose|\bpoint of\b", "What would go wrong, or cost more, if it were otherwise?"),
    (r"\b(?:compare|differ\w*|versus|vs)\b", "Which property tells the two apart?"),
    (r"\b(?:which|list|name|what are|kinds|types)\b", "Which candidates can you name, and what speaks for each?"),
    (r"\bhow\b|\bsteps?\b|process", "What has to happen first, and what does that make possible?"),
    (r"\bwhen\b|\bshould\b|\bhappens?\b", "Which cases would you tell apart, and what do you expect in each?"),
)
"""A first question for each kind of question (a pattern of its wording); none of them names what is asked for."""
GUIDING_ELSE = "How would you put it in your own words, as far as you know it?"
OPPOSED = "Not quite: that's the other way round in part."
BORNE_OUT = "Right, your material bears that out:"
NOT_BORNE_OUT = "Not quite: your material says otherwise."
CHECKED = "Let's check that against your material. It says:"
UNLISTED = "My last list hasn't that many points. Which one do you mean?"
WHICH_TWO = "Which two things shall I compare?"
NOTHING_TO_CONTINUE = "That was all the material has on this. Which part should I go into?"
"""Said when a learner asks for more and the passages are used up."""
NOTHING_ASKED = "You haven't asked anything in this conversation yet."
ASKED_BEFORE = "Your last questions here, oldest first:"
