"""The suggested reply: sentences taken word for word from the resolutions of the best hits. Knows no store and no model.

A sentence is scored by its hit's score and by how much of it the other resolutions say too: what several tickets were
solved by outweighs a detail of one. Agreement of sentences as centrality is that of Erkan & Radev 2004, LexRank
(https://arxiv.org/abs/1109.2128), with overlap of words in place of their cosine and one step in place of a walk.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.search import QuotedSentence, SuggestedReply
from shared.text.sentences import sentences

SENTENCES = 3
REPLY_LIMIT_CHARS = 600
SENTENCE_LIMIT_CHARS = 400
"""A longer sentence is left out, never cut."""

READ_LIMIT_CHARS = 2_000
"""So much of each resolution is read."""

SAME = 0.6
"""Two sentences that share so much of the words of both (Jaccard) say the same."""

FAIR = 0.7
"""A sentence below this share of the best one's score is left out: a short reply is better than a padded one."""

WORD = re.compile(r"[^\W_]{3,}")


@dataclass(frozen=True, slots=True)
class Resolution:
    """What solved a similar ticket, and how similar that was."""

    ticket_id: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class _Sentence:
    source: int
    place: int
    text: str
    words: frozenset[str]
    score: float


def suggest(resolutions: Sequence[Resolution]) -> SuggestedReply | None:
    """Return one to three sentences, each with its ticket; None where there is no sentence.

    Args:
        resolutions: Of the hits that are like enough, best first.
    """
    chosen: list[_Sentence] = []
    room = REPLY_LIMIT_CHARS
    for sentence in sorted(_sentences(resolutions), key=lambda each: (-each.score, each.source, each.place)):
        if len(chosen) == SENTENCES or (chosen and sentence.score < FAIR * chosen[0].score):
            break
        if len(sentence.text) < room and not any(_same(sentence.words, other.words) for other in chosen):
            chosen.append(sentence)
            room -= len(sentence.text) + 1
    if not chosen:
        return None
    chosen.sort(key=lambda each: (each.source, each.place))
    quoted = [QuotedSentence(ticket_id=resolutions[each.source].ticket_id, text=each.text) for each in chosen]
    return SuggestedReply(text=" ".join(each.text for each in quoted), sentences=tuple(quoted))


def _sentences(resolutions: Sequence[Resolution]) -> list[_Sentence]:
    """Return every sentence with its score: the hit's score times 1 to 2, as the other resolutions agree."""
    parted = [_part(resolution.text) for resolution in resolutions]
    words = [[_words(text) for text in texts] for texts in parted]
    said = [frozenset().union(*of_text) for of_text in words]
    found = []
    for source, texts in enumerate(parted):
        others = [each for number, each in enumerate(said) if number != source]
        for place, text in enumerate(texts):
            own = words[source][place]
            shares = [len(own & other) / len(own) for other in others] if own else []
            agreement = sum(shares) / len(shares) if shares else 0.0
            if own:
                score = resolutions[source].score * (1 + agreement)
                found.append(_Sentence(source, place, text, own, score))
    return found


def _part(text: str) -> list[str]:
    whole = list(sentences(text[:READ_LIMIT_CHARS]))
    if len(text) > READ_LIMIT_CHARS and len(whole) > 1:
        whole.pop()  # cut off in the middle
    return [part for part in whole if len(part) <= SENTENCE_LIMIT_CHARS]


def _words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(text.casefold()))


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= SAME * len(one | other)
