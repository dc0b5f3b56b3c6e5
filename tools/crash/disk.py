"""Owns the bad disk: faults.c, preloaded into the server, and the power cut that its journal allows."""

import struct
import subprocess

# As `enum fault` in faults.c.
FAULTS = ("write EIO", "write ENOSPC", "short write", "torn write", "sync EIO", "truncate EIO")
WRITE_EIO, WRITE_ENOSPC, SHORT, TORN, SYNC_EIO, TRUNCATE_EIO = (1 << bit for bit in range(6))
# After these, what was refused may be there all the same: the disk has it, and said otherwise.
UNSURE = WRITE_EIO | TORN | SYNC_EIO | TRUNCATE_EIO
ENTRY = struct.Struct("<IIIIQQ256s")
WRITE, TRUNCATE, SYNC = 1, 2, 3
SECTOR = 512


class Disk:
    def __init__(self, directory, source):
        self.library, self.control = directory / "faults.so", directory / "faults.control"
        self.journal = directory / "faults.journal"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self.library, source, "-ldl", "-lpthread"], check=True)
        self.happened = [0] * len(FAULTS)
        self.lost_bytes = self.cuts = 0

    def faulty(self, seed):
        """The environment of a server whose disk will fail when told to."""
        self.control.write_bytes(struct.pack("<III", 0, 1, seed).ljust(4096, b"\0"))
        return {"LD_PRELOAD": str(self.library), "FAULTS_CONTROL": str(self.control)}

    def journaled(self):
        """The environment of a server whose power can be cut."""
        self.journal.unlink(missing_ok=True)
        return {"LD_PRELOAD": str(self.library), "FAULTS_JOURNAL": str(self.journal)}

    def fails(self, randomness):
        """Some calls fail from now on, or all. Answers whether a refused write may be kept all the same."""
        choices = [WRITE_ENOSPC, WRITE_ENOSPC, WRITE_EIO, SHORT, TORN, SYNC_EIO, TRUNCATE_EIO | SYNC_EIO, 63]
        faults = randomness.choice(choices)
        self._set(faults, randomness.choice([1, 2, 5, 20]))
        return bool(faults & UNSURE)

    def works(self):
        self._set(0, 1)
        counts = struct.unpack_from(f"<{len(FAULTS)}I", self.control.read_bytes(), 32)
        self.happened = [before + now for before, now in zip(self.happened, counts)]

    def _set(self, faults, one_in):
        with open(self.control, "r+b") as file:
            file.write(struct.pack("<II", faults, one_in))

    def cut_power(self, randomness):
        """Of what was written since each file's last sync, an arbitrary part is lost, to the sector."""
        pending = {}
        for kind, path, before, after, offset, size in self._entries():
            if kind == SYNC:
                pending.pop(path, None)
            else:
                pending.setdefault(path, []).append((kind, before, after, offset, size))
        for path, entries in pending.items():
            with open(path, "r+b") as file:
                for kind, before, _, offset, size in reversed(entries):
                    file.seek(offset)
                    file.write(before)
                    file.truncate(size)
                fate = randomness.random()
                for kind, _, after, offset, _ in entries:
                    self._redo(file, kind, after, offset, fate, randomness)
            # Shared memory does not outlive the power.
            if path.endswith("-wal"):
                subprocess.run(["rm", "-f", path.removesuffix("-wal") + "-shm"], check=True)
        self.cuts += 1

    def _redo(self, file, kind, after, offset, fate, randomness):
        """`fate`: how likely a piece is to have reached the disk before the power went."""
        if kind == TRUNCATE:
            if randomness.random() < fate:
                file.truncate(offset)
            return
        for at in range(0, len(after), SECTOR):
            piece = after[at : at + SECTOR]
            if randomness.random() < fate:
                file.seek(offset + at)
                file.write(piece)
            else:
                self.lost_bytes += len(piece)

    def _entries(self):
        data, at = self.journal.read_bytes(), 0
        while at + ENTRY.size <= len(data):
            kind, before, after, _, offset, size, path = ENTRY.unpack_from(data, at)
            at += ENTRY.size
            yield kind, path.rstrip(b"\0").decode(), data[at : at + before], data[at + before : at + before + after], offset, size
            at += before + after

    def summary(self):
        faults = ", ".join(f"{count} {name}" for name, count in zip(FAULTS, self.happened))
        return f"{faults}; {self.cuts} power cuts that lost {self.lost_bytes} bytes"
