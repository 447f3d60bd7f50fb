"""Signatures of manifests, ledger and models: made with the customer's key, and checked with the public one."""

import base64
import json
import os
import random
import shutil
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from lib import backends
from lib.backends.azureml.key_vault import VaultSigner
from lib.chain.record import RunRecord
from lib.commands import main
from lib.errors import ParameterError
from lib.evidence import manifest, signing, verifier
from lib.paths import ROOT
from tests import workspaces
from tests.chain.small_notebooks import SmallChain
from tests.evidence.test_manifest import NOTEBOOK, change_database, workspace_of

copy_after = workspaces.copy_after
MODEL_SIGNING = os.environ.get("MODEL_SIGNING") or shutil.which("model_signing")
PEM = serialization.Encoding.PEM


def private_pem(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def public_key(key, tmp_path):
    file = tmp_path / "public.pem"
    file.write_bytes(key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return file


@pytest.fixture
def signed_run(copy_after, tmp_path, key):
    """Return the folder of a signed run."""
    workspace = copy_after("evaluate")
    record = RunRecord.new(tmp_path / "runs", "shop", {"seed": 42})
    (record.folder / "04_evaluate.ipynb").write_text(json.dumps(NOTEBOOK))
    record.close("succeeded")
    change_database(
        workspace, "INSERT INTO tags (key, value, run_uuid) SELECT 'run_name', ?, run_uuid FROM runs", record.name
    )
    signer = signing.KeySigner(private_pem(key), "test")
    data = sorted((workspace / "data").rglob("*.parquet"))
    manifest.seal(record.folder, workspace, [workspace / "shop.csv"], data, signer)
    return record.folder


def test_a_signed_run_is_verified_with_the_public_key(signed_run, public_key, capsys):
    assert main(["verify", str(signed_run), "--public-key", str(public_key)]) == 0
    assert capsys.readouterr().out.endswith("is intact, and signed with this key.\n")
    assert main(["verify", str(signed_run)]) == 0
    assert "its signature was not checked" in capsys.readouterr().out
    program = [sys.executable, "-I", str(ROOT / "lib/evidence/verifier.py"), "--public-key", str(public_key)]
    assert subprocess.run([*program, str(signed_run)], check=False).returncode == 0
    assert len((ROOT / "lib/evidence/verifier.py").read_text().splitlines()) < 300


def test_another_key_no_key_and_no_signature_are_named(signed_run, public_key, tmp_path, capsys):
    other = tmp_path / "other.pem"
    stranger = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(stranger.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    assert "run: manifest.sig was not made with this key, or has changed." in verifier.verify(signed_run, other)
    other.write_text("no key")
    assert main(["verify", str(signed_run), "--public-key", str(other)]) == 2
    assert "no public key in PEM" in capsys.readouterr().err
    (signed_run / "manifest.sig").unlink()
    assert "manifest.sig is missing" in verifier.verify(signed_run, public_key)[0]


def test_a_run_sealed_anew_by_somebody_without_the_key_is_found(signed_run, public_key):
    (signed_run / "parameters.yaml").write_text("seed: 1\n")
    workspace = workspace_of(signed_run)
    signature = (signed_run / "manifest.sig").read_bytes()
    manifest.seal(signed_run, workspace, [], [])
    assert verifier.verify(signed_run) == []
    assert "manifest.sig is missing" in verifier.verify(signed_run, public_key)[0]
    (signed_run / "manifest.sig").write_bytes(signature)
    lines = (workspace / "manifests.jsonl").read_bytes().splitlines()
    entry = json.loads(lines[-1]) | {"signed": verifier.hash_file(signed_run / "manifest.sig")}
    (workspace / "manifests.jsonl").write_bytes(b"\n".join([*lines[:-1], verifier.canonical_json(entry)]) + b"\n")
    found = verifier.verify(signed_run, public_key)
    assert "run: manifest.json is not the manifest that was signed." in found
    assert any("newest entry of manifests.jsonl was not signed" in line for line in found)


def test_production_moved_with_a_forged_entry_is_found(signed_run, public_key, key):
    workspace = workspace_of(signed_run)
    change_database(workspace, "DELETE FROM model_version_tags WHERE key = 'production'")
    change_database(workspace, "DELETE FROM registered_model_aliases")
    manifest.record_production(workspace, "forged")
    assert verifier.verify(signed_run) == []
    assert "the newest entry of manifests.jsonl was not signed" in verifier.verify(signed_run, public_key)[0]
    manifest.record_production(workspace, "retired", signing.KeySigner(private_pem(key), "test"))
    assert verifier.verify(signed_run, public_key) == []


def test_the_key_comes_from_a_file_or_a_variable_and_is_checked(key, tmp_path, monkeypatch):
    chain = SmallChain(tmp_path)
    file = tmp_path / "key.pem"
    file.write_bytes(private_pem(key))
    monkeypatch.setenv("SHOP_SIGNING_KEY", private_pem(key).decode())
    sources = (str(file), "env:SHOP_SIGNING_KEY")
    pems = {backends.signer(chain.parameters(signing_key=source)).public_key_pem for source in sources}
    assert len(pems) == 1 and backends.signer(chain.parameters()) is None
    for unusable in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        file.write_bytes(private_pem(unusable))
        with pytest.raises(ParameterError, match="another kind; expected ECDSA on the curve P-256"):
            backends.signer(chain.parameters(signing_key=str(file)))
    file.write_text("x")
    for value, message in {
        str(file): "contains no private key",
        "no/such.pem": "cannot be read",
        "env:SHOP_UNSET": "is not set",
        "keyvault:sign": "has no key vault",
    }.items():
        with pytest.raises(ParameterError, match=message):
            backends.signer(chain.parameters(signing_key=value))


def test_a_key_vault_signs_by_its_web_interface(key, monkeypatch):
    numbers = key.public_key().public_numbers()
    calls = []

    def encode(number):
        return base64.urlsafe_b64encode(number.to_bytes(32, "big")).decode().rstrip("=")

    class Answer:
        def __init__(self, value):
            self.value = value

        def raise_for_status(self):
            pass

        def json(self):
            return self.value

    def request(method, address, json, headers, timeout):
        calls.append((method, address, headers))
        if method == "GET":
            kid = "https://kv-1.vault.azure.net/keys/sign/v1"
            return Answer({"key": {"kid": kid, "crv": "P-256", "x": encode(numbers.x), "y": encode(numbers.y)}})
        digest = base64.urlsafe_b64decode(json["value"] + "==")
        r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))))
        raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return Answer({"value": base64.urlsafe_b64encode(raw).decode().rstrip("=")})

    class Credential:
        def get_token(self, scope):
            return type("Token", (), {"token": f"for {scope}"})

    class Workspace:
        key_vault_id = "/subscriptions/1/providers/Microsoft.KeyVault/vaults/kv-1"

    monkeypatch.setattr("requests.request", request)
    signer = VaultSigner(Workspace(), Credential(), "sign")
    content = b"content to sign"
    key.public_key().verify(signer.sign(content), content, ec.ECDSA(hashes.SHA256()))
    assert signer.public_key_pem == signing.KeySigner(private_pem(key), "test").public_key_pem
    assert [call[:2] for call in calls] == [
        ("GET", "https://kv-1.vault.azure.net/keys/sign?api-version=7.4"),
        ("POST", "https://kv-1.vault.azure.net/keys/sign/v1/sign?api-version=7.4"),
    ]
    assert calls[0][2] == {"Authorization": "Bearer for https://vault.azure.net/.default"}


@pytest.mark.slow
def test_every_one_of_a_thousand_changed_bytes_is_found_and_named(signed_run, public_key):
    workspace, chance = workspace_of(signed_run), random.Random(1)
    sealed = json.loads((signed_run / "manifest.json").read_text())
    places = {"run": signed_run, "project": ROOT, "workspace": workspace, "data": ROOT}
    files = [places[place] / name for place in ("run", "workspace", "data") for name in sealed["files"][place]]
    files += [signed_run / "manifest.json", signed_run / "manifest.sig", workspace / "manifests.jsonl"]
    files = [file for file in files if file.stat().st_size]
    missed = []
    for _ in range(1000):
        file = chance.choice(files)
        before = file.read_bytes()
        position = chance.randrange(len(before))
        changed = bytes([before[position] ^ chance.randrange(1, 256)])
        file.write_bytes(before[:position] + changed + before[position + 1 :])
        try:
            differences = verifier.verify(signed_run, public_key)
        except ValueError as error:
            differences = [str(error)]
        file.write_bytes(before)
        if not any(file.name in difference for difference in differences):
            missed.append((file, position, before[position], differences))
    assert missed == []
    assert verifier.verify(signed_run, public_key) == []


@pytest.mark.slow
@pytest.mark.skipif(not MODEL_SIGNING, reason="needs OpenSSF's model_signing (pip install model-signing)")
def test_model_signing_accepts_a_signed_model_and_no_changed_one(signed_run, public_key):
    (signature,) = (workspace_of(signed_run) / "artifacts").rglob("model.sig")
    folder = signature.parent / "model"
    options = ["--signature", str(signature), "--public_key", str(public_key)]
    command = [MODEL_SIGNING, "verify", "key", str(folder), *options]
    accepted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert accepted.returncode == 0, accepted.stderr
    (folder / "extra.txt").write_text("added")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    (folder / "extra.txt").unlink()
    (folder / "model.pkl").write_bytes(b"another model")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
