"""Writing objects of S3 and Google Cloud Storage, with the credentials and the endpoint that reading uses."""

from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError

from shared.errors import Fatal
from shared.media.fetching.objects import store_of
from shared.media_settings import MediaSettings


class ObjectUploader:
    """Writes to a bucket.

    Args:
        place: `s3://bucket/prefix` or `gs://bucket/prefix`.
        settings: The endpoint and the time limits.

    Raises:
        Fatal: the bucket cannot be opened.
    """

    def __init__(self, place: str, settings: MediaSettings) -> None:
        parts = urlsplit(place)
        self._bucket, self._prefix = f"{parts.scheme}://{parts.netloc}", parts.path.strip("/")
        self._store = store_of(self._bucket, settings)

    def put(self, name: str, content: bytes) -> str:
        """Write an object, unless one of the same size is there; return its URI.

        Raises:
            Fatal: it cannot be written.
        """
        key = f"{self._prefix}/{name}" if self._prefix else name
        try:
            if self._size_bytes(key) != len(content):
                obstore.put(self._store, key, content)
        except (BaseError, OSError) as error:
            first = str(error).partition("\n")[0]
            raise Fatal(f"{self._bucket}/{key} cannot be written: {first}") from None
        return f"{self._bucket}/{key}"

    def _size_bytes(self, key: str) -> int | None:
        try:
            return obstore.head(self._store, key)["size"]
        except (FileNotFoundError, PermissionError):
            return None
