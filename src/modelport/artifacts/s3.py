"""The artifact store on S3, or on whatever speaks its API: `s3://bucket/prefix`.

`blobs/ab/abcd…` is a content by its sha256. A content of one part is put there at once. A longer one is a multipart
upload to `uploads/<digest>-<size>`, which is read back and copied to its place when it has that digest.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from modelport.artifacts.base import CHUNK, PART_SIZE, Stored, check_digest, check_part, part_count, verified
from modelport.core.errors import InvalidInputError, InvalidModelError, MissingExtraError, NotFoundError
from modelport.core.errors import UnavailableError as Unavailable

_GONE = ("404", "NoSuchKey", "NoSuchUpload", "NotFound")


class S3Store:
    """An ArtifactStore in a bucket, which has to exist. Safe for threads and processes at once.

    Who may do it and where the bucket is, boto3 takes from where it always does: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL, ~/.aws and roles of the machine.
    """

    def __init__(self, url: str, part_size: int = PART_SIZE) -> None:
        """Raises MissingExtraError without boto3, InvalidInputError for what is no `s3://bucket/prefix`."""
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise InvalidInputError(f"{url!r} is no place on S3: write s3://bucket or s3://bucket/prefix")
        try:
            # what is read is verified here; not every server says the checksum of several parts as S3 does
            config = import_module("botocore.config").Config(response_checksum_validation="when_required")
            self._s3: Any = import_module("boto3").client("s3", config=config)
            self._errors: Any = import_module("botocore.exceptions")
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"S3 needs {error.name!r}: pip install 'modelport[s3]'") from None
        except Exception as error:
            raise InvalidInputError(f"{url}: {error}") from None
        self.part_size = part_size
        self._bucket, prefix = parts.netloc, parts.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""

    def size(self, digest: str) -> int | None:
        """As the port says."""
        return self._size(self._blob(digest))

    def parts(self, digest: str, size: int) -> frozenset[int]:
        """As the port says."""
        key = self._staged(digest, size)
        upload = self._upload_id(key)
        if upload is None:
            complete = self.size(digest) is None and self._size(key) == size
            return frozenset(range(part_count(size, self.part_size))) if complete else frozenset()
        return frozenset(part["PartNumber"] - 1 for part in self._parts(key, upload))

    def put_part(self, digest: str, size: int, number: int, content: bytes) -> None:
        """As the port says. A content of a single part is stored at once."""
        check_part(size, self.part_size, number, content)
        if size <= self.part_size:
            self._put_whole(digest, content)
            return
        key = self._staged(digest, size)
        upload = self._upload_id(key) or self._begun(key)
        with self._asking():
            self._s3.upload_part(
                Bucket=self._bucket, Key=key, UploadId=upload, PartNumber=number + 1, Body=content, **_sum(content)
            )

    def finish(self, digest: str, size: int) -> None:
        """As the port says."""
        if self.size(digest) is not None:
            return
        key = self._staged(digest, size)
        self._complete(key, digest, size)
        try:
            for _ in verified(digest, self._chunks(key, digest)):
                pass
        except InvalidModelError as error:
            self._delete(key)
            raise InvalidInputError(f"{error}: send it again") from None
        except NotFoundError:
            if self.size(digest) is not None:  # another finished it
                return
            raise
        with self._asking():
            self._s3.copy({"Bucket": self._bucket, "Key": key}, self._bucket, self._blob(digest))
        self._delete(key)

    def part(self, digest: str, number: int) -> bytes:
        """As the port says."""
        size, first = self.size(digest), number * self.part_size
        if size is None:
            raise NotFoundError(f"sha256:{digest} is not in the artifact store")
        if first >= size:
            return b""
        span = f"bytes={first}-{first + self.part_size - 1}"
        return b"".join(self._chunks(self._blob(digest), digest, Range=span))

    def read(self, digest: str) -> Iterator[bytes]:
        """As the port says."""
        yield from verified(digest, self._chunks(self._blob(digest), digest))

    def stored(self) -> Iterator[Stored]:
        """As the port says."""
        for item in self._objects("blobs/"):
            yield Stored(item["Key"].rpartition("/")[2], item["Size"], item["LastModified"].timestamp())

    def remove(self, digest: str) -> None:
        """As the port says."""
        self._delete(self._blob(digest))

    def abandon(self, before: float) -> int:
        """As the port says."""
        count = 0
        for upload in self._uploads("uploads/"):
            key, name = upload["Key"], upload["UploadId"]
            came = [upload["Initiated"], *(part["LastModified"] for part in self._parts(key, name))]
            if max(came).timestamp() < before:
                with contextlib.suppress(NotFoundError), self._asking():
                    self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=name)
                count += 1
        for item in self._objects("uploads/"):
            if item["LastModified"].timestamp() < before:
                self._delete(item["Key"])
                count += 1
        return count

    def _put_whole(self, digest: str, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != check_digest(digest):
            raise InvalidInputError(f"what was sent as sha256:{digest} has another sha256: send it again")
        with self._asking():
            self._s3.put_object(Bucket=self._bucket, Key=self._blob(digest), Body=content, **_sum(content))

    def _complete(self, key: str, digest: str, size: int) -> None:
        """Make one object of the parts; nothing where that was done already."""
        upload = self._upload_id(key)
        if upload is None:
            if self._size(key) is None and self.size(digest) is None:
                raise InvalidInputError(f"sha256:{digest} has not come: send it first")
            return
        found = {part["PartNumber"]: part for part in self._parts(key, upload)}
        count = part_count(size, self.part_size)
        missing = [number for number in range(count) if number + 1 not in found]
        if missing:
            raise InvalidInputError(f"sha256:{digest} has not come whole: part {missing[0]} of {count} is missing")
        known = ("PartNumber", "ETag", "ChecksumSHA256")
        parts = [{name: part[name] for name in known if name in part} for _, part in sorted(found.items())]
        with contextlib.suppress(NotFoundError), self._asking():
            self._s3.complete_multipart_upload(
                Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )

    def _begun(self, key: str) -> str:
        """A new upload; where two begin at once, both take the one that was first."""
        with self._asking():
            made = self._s3.create_multipart_upload(Bucket=self._bucket, Key=key, ChecksumAlgorithm="SHA256")
        return self._upload_id(key) or str(made["UploadId"])

    def _upload_id(self, key: str) -> str | None:
        begun = [upload for upload in self._uploads(key.removeprefix(self._prefix)) if upload["Key"] == key]
        first = min(begun, key=lambda upload: (upload["Initiated"], upload["UploadId"]), default=None)
        return None if first is None else first["UploadId"]

    def _uploads(self, below: str) -> list[dict[str, Any]]:
        return self._pages("list_multipart_uploads", "Uploads", Prefix=self._prefix + below)

    def _parts(self, key: str, upload: str) -> list[dict[str, Any]]:
        try:
            return self._pages("list_parts", "Parts", Key=key, UploadId=upload)
        except NotFoundError:
            return []

    def _objects(self, below: str) -> list[dict[str, Any]]:
        return self._pages("list_objects_v2", "Contents", Prefix=self._prefix + below)

    def _pages(self, operation: str, what: str, **arguments: Any) -> list[dict[str, Any]]:
        with self._asking():
            pages = self._s3.get_paginator(operation).paginate(Bucket=self._bucket, **arguments)
            return [item for page in pages for item in page.get(what, ())]

    def _chunks(self, key: str, digest: str, **span: str) -> Iterator[bytes]:
        try:
            with self._asking():
                body = self._s3.get_object(Bucket=self._bucket, Key=key, **span)["Body"]
                yield from body.iter_chunks(CHUNK)
        except NotFoundError:
            raise NotFoundError(f"sha256:{digest} is not in the artifact store") from None

    def _size(self, key: str) -> int | None:
        try:
            with self._asking():
                return int(self._s3.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
        except NotFoundError:
            return None

    def _delete(self, key: str) -> None:
        with self._asking():
            self._s3.delete_object(Bucket=self._bucket, Key=key)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """What S3 raises as errors of ours: NotFoundError for what is not there, else UnavailableError."""
        try:
            yield
        except self._errors.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _GONE:
                raise NotFoundError(f"S3: {error}") from None
            raise Unavailable(f"the artifact store s3://{self._bucket}: {error}") from None
        except (self._errors.BotoCoreError, OSError) as error:
            raise Unavailable(f"the artifact store s3://{self._bucket}: {error}") from None

    def _blob(self, digest: str) -> str:
        return f"{self._prefix}blobs/{check_digest(digest)[:2]}/{digest}"

    def _staged(self, digest: str, size: int) -> str:
        return f"{self._prefix}uploads/{check_digest(digest)}-{size}"


def _sum(content: bytes) -> dict[str, str]:
    """The checksum with which the server sees that a part came as it was sent."""
    return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(content).digest()).decode()}
