"""The one file a backup is: what may stand in it, how it is written and how it is read."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from appliance.kernel.durable import sync_directory

FORMAT = "nightporter backup 1"
CONTENTS = "contents.json"
# 10,000 members: a blob store of a large property; a longer archive is not ours.
MEMBERS_MAX = 10_000
# 1 MiB holds the digests of all of them.
CONTENTS_BYTES_MAX = 1_048_576
# Databases, the property's small files, and the folders of keys, blobs and named secrets.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")


class BadBackupError(Exception):
    """The archive cannot be made or restored; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The first member of an archive: what the others are."""

    format: str
    release: str
    property_id: str
    at_wall_ms: int
    facts: int
    digests: Mapping[str, str]  # SHA-256 in hex by path inside the archive


def digest_of(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a folder with its path inside, in order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def pack(folder: Path, archive: Path, contents: Contents) -> None:
    """Write a folder as one file that is there whole or not at all; only its owner may read it."""
    fresh = folder.parent / "archive.new"
    # 0600 from the first byte: it holds every key.
    handle = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz") as tar:
            _add(tar, CONTENTS, msgspec.json.encode(contents))
            for name, path in files_in(folder):
                _add(tar, name, path)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(archive)
    sync_directory(archive.parent)


def _add(tar: tarfile.TarFile, name: str, content: bytes | Path) -> None:

    member = tarfile.TarInfo(name)
    member.mode = 0o600
    if isinstance(content, bytes):
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
        return
    with content.open("rb") as file:
        member.size = os.fstat(file.fileno()).st_size
        tar.addfile(member, file)


def unpack(archive: Path, folder: Path) -> Contents:
    """Write an archive's files into an empty folder; raises BadBackupError at the first doubt."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            first = tar.next()
            if first is None or first.name != CONTENTS or first.size > CONTENTS_BYTES_MAX:
                raise BadBackupError(f"{archive} is no backup of nightporter.")
            contents = _contents(archive, _opened(tar, first).read())
            found = _write_members(archive, tar, folder)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise BadBackupError(f"{archive} cannot be read to its end: {error}.") from error
    for name, digest in contents.digests.items():
        if found.get(name) != digest:
            raise BadBackupError(
                f"{archive}: {name} is not what was backed up; take another archive."
            )
    if extra := found.keys() - contents.digests.keys():
        raise BadBackupError(f"{archive} holds {min(extra)!r}, which nobody put there.")
    return contents


def _contents(archive: Path, data: bytes) -> Contents:
    try:
        contents = msgspec.json.decode(data, type=Contents, strict=True)
    except msgspec.DecodeError as error:
        raise BadBackupError(f"{archive} is no backup of nightporter: {error}.") from error
    if contents.format != FORMAT:
        raise BadBackupError(
            f"{archive} is of another form ({contents.format}, release {contents.release}):"
            " restore it with that release."
        )
    return contents


def _write_members(archive: Path, tar: tarfile.TarFile, folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    room = shutil.disk_usage(folder).free
    while (member := tar.next()) is not None:
        # Our own look at every name, as Python 3.11.2 knows no extraction filters.
        parts = PurePosixPath(member.name).parts
        if not member.isreg() or not parts or not all(_NAME.fullmatch(part) for part in parts):
            raise BadBackupError(f"{archive} holds {member.name!r}, which no backup has.")
        if len(found) >= MEMBERS_MAX or member.name in found:
            raise BadBackupError(f"{archive} holds more than a backup has.")
        room -= member.size
        if room < 0:
            raise BadBackupError(f"there is not enough room beside {folder} to unpack {archive}.")
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            shutil.copyfileobj(_opened(tar, member), file)
            file.flush()
            os.fsync(file.fileno())
        found[member.name] = digest_of(target)
    return found


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)
    if stream is None:
        raise BadBackupError(f"{member.name!r} in the archive is no file.")
    return stream
