"""The suggested reply: sentences quoted from the resolutions of the best hits. Independent of the store and the model.

A sentence is scored by its hit's score and by the share of its words that the other resolutions also contain, so that a
solution of several tickets outweighs a detail of one. Agreement between sentences as a measure of centrality comes from
LexRank, Erkan & Radev 2004 (https://arxiv.org/abs/1109.2128); here word overlap replaces the cosine, and one step
replaces the random walk.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.search import QuotedSentence, SuggestedReply
from shared.text.sentences import sentences

SENTENCES = 3
REPLY_LIMIT_CHARS = 600
SENTENCE_LIMIT_CHARS = 400
"""A longer sentence is left out, never truncated."""

READ_LIMIT_CHARS = 2_000
"""Number of characters of each resolution that are read."""

SAME = 0.6
"""Two sentences whose words overlap by at least this share (Jaccard index) count as duplicates."""

FAIR = 0.7
"""A sentence below this share of the best sentence's score is left out: a short reply is better than a padded one."""

WORD = re.compile(r"[^\W_]{3,}")


@dataclass(frozen=True, slots=True)
class Resolution:
    """The resolution of a similar ticket, with the score of that ticket."""

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
    """Return one to three sentences, each with its ticket; None if the resolutions contain no sentence to quote.

    Args:
        resolutions: The resolutions of the hits that are similar enough, best first.
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
    """Return every sentence with its score: the hit's score times 1 to 2, by how far the other resolutions agree."""
    split = [_split(resolution.text) for resolution in resolutions]
    words = [[_words(text) for text in texts] for texts in split]
    vocabularies = [frozenset().union(*of_text) for of_text in words]
    found = []
    for source, texts in enumerate(split):
        others = [each for number, each in enumerate(vocabularies) if number != source]
        for place, text in enumerate(texts):
            own = words[source][place]
            shares = [len(own & other) / len(own) for other in others] if own else []
            agreement = sum(shares) / len(shares) if shares else 0.0
            if own:
                score = resolutions[source].score * (1 + agreement)
                found.append(_Sentence(source, place, text, own, score))
    return found


def _split(text: str) -> list[str]:
    whole = list(sentences(text[:READ_LIMIT_CHARS]))
    if len(text) > READ_LIMIT_CHARS and len(whole) > 1:
        whole.pop()  # the last sentence is cut off in the middle
    return [part for part in whole if len(part) <= SENTENCE_LIMIT_CHARS]


def _words(text: str) -> frozenset[str]:
    return frozenset(WORD.findall(text.casefold()))


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= SAME * len(one | other)
