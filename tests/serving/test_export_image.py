"""The container image of an exported folder: layers, archive, base images, and that the unpacked image serves."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time

import pytest

from lib.errors import DataError, ParameterError, StageError
from lib.exporting.folder import write_folder
from lib.exporting.image import base_image, build, staging
from lib.exporting.image.archive import write_archive
from lib.exporting.image.base_image import machine_architecture, read_base_image
from lib.exporting.image.layer import LayerContents
from lib.exporting.image.shared_libraries import find_shared_libraries
from lib.exporting.image.staging import python_name
from tests.served_models import Client
from tests.serving.test_export import BODY, describe

PYTHON = f"usr/local/bin/{python_name()}"


def write_layer(path, files):
    contents = LayerContents()
    for name, content in files.items():
        contents.add_file(name, content)
    return contents.write(path)


def write_base(folder, files, **config):
    """Write an image with one layer, and return its archive."""
    layer = write_layer(folder / "layer.tar.gz", files)
    described = {"architecture": machine_architecture(), "os": "linux", **config}
    described["rootfs"] = {"type": "layers", "diff_ids": [layer.diff_id]}
    write_archive(folder / "base.tar", [layer], described, "python", "3.11")
    return folder / "base.tar"


def read_image(archive):
    """Return manifest, configuration and layers of an archive, after verifying all digests and sizes."""
    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}

    def read(descriptor):
        content = files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert descriptor["size"] == len(content)
        return content

    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (image,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(read(image))
    config = json.loads(read(manifest["config"]))
    layers = [read(layer) for layer in manifest["layers"]]
    (docker,) = json.loads(files["manifest.json"])
    assert [files[name] for name in docker["Layers"]] == layers
    assert json.loads(files[docker["Config"]]) == config
    diff_ids = [f"sha256:{hashlib.sha256(gzip.decompress(layer)).hexdigest()}" for layer in layers]
    assert config["rootfs"] == {"type": "layers", "diff_ids": diff_ids}
    return image, config, [tarfile.open(fileobj=io.BytesIO(layer)) for layer in layers]


class TestLayer:
    def test_bytes_depend_on_the_contents_only(self, tmp_path):
        digests = set()
        for number, names in enumerate((["b", "a/c"], ["a/c", "b"])):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "file").write_bytes(b"content")
            os.utime(folder / "file", (number, number))
            contents = LayerContents()
            for name in names:
                contents.add_file(name, folder / "file")
            digests.add(contents.write(folder / "layer").digest)
        assert len(digests) == 1

    def test_permissions_and_owners(self, tmp_path):
        program = tmp_path / "program"
        program.write_bytes(b"#!")
        program.chmod(0o700)
        contents = LayerContents()
        contents.add_file("app/bin/program", program)
        contents.add_file("app/text", b"text")
        contents.add_link("app/python", "/usr/bin/python")
        contents.add_folder("var/state", 0o700, 65532)
        contents.write(tmp_path / "layer")
        with tarfile.open(tmp_path / "layer") as layer:
            found = {info.name: (info.mode, info.uid, info.gid, info.mtime) for info in layer}
            assert layer.getmember("app/python").linkname == "/usr/bin/python"
        assert found["app/bin/program"] == (0o755, 0, 0, 0)
        assert found["app/text"] == (0o644, 0, 0, 0)
        assert found["var/state"] == (0o700, 65532, 65532, 0)
        assert found["var"] == found["app"] == (0o755, 0, 0, 0)
        assert list(found) == sorted(found), "parents come first"


class TestBaseImage:
    def read(self, layout, tmp_path):
        (tmp_path / "scratch").mkdir()
        return read_base_image(layout, tmp_path / "scratch")

    @pytest.mark.parametrize("kind", ["archive", "folder"])
    def test_python_is_found(self, tmp_path, kind):
        layout = write_base(tmp_path, {f"usr/bin/{python_name()}": b"", PYTHON: b""})
        if kind == "folder":
            with tarfile.open(layout) as archive:
                archive.extractall(tmp_path / "folder", filter="data")
            layout = tmp_path / "folder"
        assert self.read(layout, tmp_path).python == f"/{PYTHON}"

    def test_image_of_several_machines(self, tmp_path):
        """As Docker Hub has them: an index of indexes, with other machines and an attestation."""
        layout = write_base(tmp_path, {PYTHON: b""})
        with tarfile.open(layout) as archive:
            archive.extractall(tmp_path / "folder", filter="data")
        index = json.loads((tmp_path / "folder" / "index.json").read_text())
        for architecture in ("s390x", "unknown"):
            other = {**index["manifests"][0], "digest": f"sha256:{'0' * 64}"}
            index["manifests"].insert(0, {**other, "platform": {"architecture": architecture, "os": "linux"}})
        content = json.dumps(index).encode()
        digest = hashlib.sha256(content).hexdigest()
        (tmp_path / "folder" / "blobs" / "sha256" / digest).write_bytes(content)
        media_type = "application/vnd.docker.distribution.manifest.list.v2+json"
        outer = {"manifests": [{"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}]}
        (tmp_path / "folder" / "index.json").write_text(json.dumps(outer))
        assert self.read(tmp_path / "folder", tmp_path).python == f"/{PYTHON}"

    @pytest.mark.parametrize(
        "files, message",
        [
            ({"usr/bin/python3.9": b""}, f"contains no {python_name()}"),
            ({PYTHON: b"", "lib/ld-musl-x86_64.so.1": b""}, "is an image with musl, such as Alpine"),
        ],
    )
    def test_image_without_usable_python_is_refused(self, tmp_path, files, message):
        with pytest.raises(DataError, match=f"--base: .*{message}.*skopeo copy"):
            self.read(write_base(tmp_path, files), tmp_path)

    @pytest.mark.parametrize("config", [{"architecture": "s390x"}, {"os": "windows"}])
    def test_image_for_another_machine_is_refused(self, tmp_path, config):
        with pytest.raises(DataError, match="it contains no image for linux/"):
            self.read(write_base(tmp_path, {PYTHON: b""}, **config), tmp_path)

    def test_damaged_image_is_refused(self, tmp_path):
        layout = write_base(tmp_path, {PYTHON: b"some bytes" * 1000})
        with tarfile.open(layout) as archive:
            archive.extractall(tmp_path / "folder", filter="data")
        largest = max((tmp_path / "folder" / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:-1] + b"x")
        with pytest.raises(DataError, match="cannot be read as an image in the OCI image layout .*is damaged"):
            self.read(tmp_path / "folder", tmp_path)

    @pytest.mark.parametrize("digest", ["sha256:../../../../etc/passwd", "md5:00", "sha256:" + "A" * 64])
    def test_digest_that_is_no_sha256_is_refused(self, tmp_path, digest):
        with pytest.raises(ValueError, match="is not a SHA-256"):
            base_image._find_blob(tmp_path, digest)

    @pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
    def test_file_that_is_no_image_is_refused(self, tmp_path, content):
        (tmp_path / "base.tar").write_bytes(content)
        with pytest.raises(DataError, match="--base: .*base.tar cannot be read as an image"):
            self.read(tmp_path / "base.tar", tmp_path)


@pytest.fixture
def exported(models, tmp_path):
    target = tmp_path / "served"
    write_folder(target, models / "classifier", describe(models / "classifier"))
    return target


@pytest.fixture
def small_packages(monkeypatch):
    """Install one small module instead of the packages, and copy no Python."""

    def install(requirements, target):
        target.mkdir()
        (target / "module.py").write_text("x = 1\n")

    def copy(target):
        (target / "bin").mkdir(parents=True)
        (target / "bin" / python_name()).write_bytes(b"")
        (target / "lib").mkdir()

    monkeypatch.setattr(staging, "install_packages", install)
    monkeypatch.setattr(staging, "copy_python", copy)


def test_image_on_a_base_keeps_its_layers_and_settings(exported, tmp_path, small_packages):
    settings = {"Env": ["PATH=/usr/local/bin", "LANG=C.UTF-8"], "Cmd": ["python3"], "Labels": {"a": "b"}}
    base = write_base(tmp_path, {PYTHON: b""}, config=settings, history=[{"created_by": "base"}], variant="v2")
    digest = build.build_image(exported, tmp_path / "image.tar", base)
    image, config, layers = read_image(tmp_path / "image.tar")
    assert image["digest"] == digest and image["annotations"]["org.opencontainers.image.ref.name"] == "7"
    assert image["platform"] == {"architecture": machine_architecture(), "os": "linux", "variant": "v2"}
    packages, endpoint = layers[1:]
    assert layers[0].getnames()[-1] == PYTHON
    assert packages.getmember("app/.venv/bin/python").linkname == f"/{PYTHON}"
    assert b"home = /usr/local/bin\n" in packages.extractfile("app/.venv/pyvenv.cfg").read()
    assert f"app/.venv/lib/{python_name()}/site-packages/module.py" in packages.getnames()
    assert {f"app/{path.relative_to(exported)}" for path in exported.rglob("*")} <= set(endpoint.getnames())
    state = endpoint.getmember("var/lib/millrace")
    assert (state.uid, state.mode) == (build.USER, 0o700)
    settings = config["config"]
    assert "Cmd" not in settings and settings["User"] == f"{build.USER}:{build.USER}"
    assert settings["Env"][0] == "PATH=/app/.venv/bin:/usr/local/bin" and "LANG=C.UTF-8" in settings["Env"]
    assert settings["Labels"]["a"] == "b" and settings["Labels"]["org.opencontainers.image.title"] == "flights"
    assert len(config["history"]) == 3
    assert not list(tmp_path.glob(".image.tar*")), "nothing unfinished is left"


def test_image_without_a_base_has_this_python(exported, tmp_path, small_packages):
    build.build_image(exported, tmp_path / "image.tar")
    build.build_image(exported, tmp_path / "again.tar")
    assert (tmp_path / "image.tar").read_bytes() == (tmp_path / "again.tar").read_bytes()
    _, config, (python, packages, _) = read_image(tmp_path / "image.tar")
    assert packages.getmember("app/.venv/bin/python").linkname == f"/opt/python/bin/{python_name()}"
    assert f"opt/python/bin/{python_name()}" in python.getnames()
    assert python.getmember("tmp").mode == 0o1777
    assert config["architecture"] == machine_architecture()


def test_failure_of_pip_is_told_and_leaves_no_archive(exported, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(StageError, match="--image: the packages could not be installed by pip:\n(.*\n)*.*anyio"):
        build.build_image(exported, tmp_path / "image.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


@pytest.mark.parametrize("fault", ["exists", "no folder", "no base", "system"])
def test_image_that_cannot_be_written_is_refused_first(tmp_path, monkeypatch, fault):
    archive, base = tmp_path / "image.tar", None
    if fault == "exists":
        archive.touch()
    elif fault == "no folder":
        archive = tmp_path / "missing" / "image.tar"
    elif fault == "no base":
        base = tmp_path / "base.tar"
    else:
        monkeypatch.setattr(sys, "platform", "darwin")
    messages = {"exists": "image.tar exists", "no folder": "there is no folder", "no base": "--base: there is no file"}
    with pytest.raises(DataError, match=messages.get(fault, "on Linux only")):
        build.check_image(archive, base)


def test_base_without_image_is_refused(tmp_path, monkeypatch):
    from types import SimpleNamespace

    from lib.commands._endpoint_export import export_endpoint

    options = SimpleNamespace(to=str(tmp_path / "served"), image=None, base="base.tar", version=None)
    with pytest.raises(ParameterError, match="--base: .* needs --image"):
        export_endpoint(options, None, None, "flights")


@pytest.mark.skipif(shutil.which("ldd") is None, reason="needs ldd, which glibc has")
def test_shared_libraries_of_this_python(tmp_path):
    names = {name.rpartition("/")[2]: name for name in find_shared_libraries([sys.executable], tmp_path)}
    assert "libc.so.6" in names and any(name.startswith("ld-linux") for name in names)
    assert all(name.startswith(("/lib", "/usr/lib")) for name in names.values())


_CAN_ISOLATE = os.geteuid() == 0 and shutil.which("unshare") and shutil.which("chroot")


@pytest.mark.slow
@pytest.mark.skipif(not _CAN_ISOLATE, reason="needs root, unshare and chroot")
def test_unpacked_image_serves_the_same_answers(exported, models, endpoint, tmp_path):
    """Unpack the layers, and serve from them alone: another root folder, process ids of its own, the image's user."""
    status = endpoint.deploy(models / "classifier", "7")
    expected = Client(status.url, endpoint.keys()["primary"]).ask(body=BODY)
    build.build_image(exported, tmp_path / "image.tar")
    _, config, layers = read_image(tmp_path / "image.tar")
    root = tmp_path / "root"
    for layer in layers:
        layer.extractall(root, filter="fully_trusted")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with running_image(root, config["config"], ["--port", str(port)]) as process:
        deadline = time.monotonic() + 120
        keys = root / "var" / "lib" / "millrace" / "keys.json"
        while not (root / "var" / "lib" / "millrace" / "endpoint.json").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        client = Client(f"http://127.0.0.1:{port}/score", json.loads(keys.read_text())["primary"])
        assert client.ask(body=BODY)[:2] == expected[:2]
        assert keys.stat().st_uid == build.USER


@contextlib.contextmanager
def running_image(root, settings, arguments):
    """Run an unpacked image as a container would, and stop it by SIGTERM."""
    script = 'mkdir -p "$0/proc" "$0/dev" && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec "$@"'
    isolate = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", script, str(root)]
    enter = [shutil.which("chroot"), f"--userspec={settings['User']}", str(root)]
    environment = ["env", "--ignore-environment", *settings["Env"]]
    command = [*isolate, *environment, *enter, *settings["Entrypoint"], *arguments]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(120)
