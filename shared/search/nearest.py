"""The nearest points by one vector alone, such as calls that sound alike: no terms, no age, no rating."""

from schemas.points import IsOurs
from schemas.search import ScoreParts
from shared.search.shown import HitT, Searchable
from shared.vectorstore.port import Collection, Query
from shared.vectorstore.widening import search_ours


def find_nearest(
    collection: Collection, query: Query, searchable: Searchable[HitT], is_ours: IsOurs
) -> tuple[HitT, ...]:
    """Return the points nearest to the vector of a query, best first; the cosine is their score.

    Args:
        collection: The collection that is searched.
        query: The vector, its name, the filter and the number of hits; it asks for the fields of `searchable`.
        searchable: How hits are shown.
        is_ours: Returns whether Millrace wrote a point.

    Raises:
        Unavailable: the store cannot be read.
    """
    [hits] = search_ours(
        [query], collection.search, lambda _, hit: searchable.read(hit.id, hit.payload, is_ours) is not None
    )
    found = []
    for hit in hits:
        shown = searchable.read(hit.id, hit.payload, is_ours)
        if shown is None:
            continue
        cosine = min(1.0, hit.score)
        common = shown.model_dump(include={"label", "satisfaction", "occurred_at"})
        parts = ScoreParts(dense=cosine, bm25=0, lexical=0, decay=1)
        found.append(searchable.hit(shown, score=cosine, parts=parts, language=shown.known_language, **common))
    return tuple(found)
