"""The model card, the mapping of rules to evidence, and the software bill of materials."""

import json
import re
import shutil

import pytest
import yaml

from lib.commands import main
from lib.evidence import rule_report, sbom
from lib.evidence.card import make_card
from lib.evidence.report.run_files import read_run
from lib.parameters.card import QUESTIONS, find_card_faults
from lib.paths import ROOT
from tests.evidence.published_runs import EVALUATION, chart_exhibit, result, table_exhibit, write_run

FULL_CARD = {key: f"answer to {key}" for key in QUESTIONS}
BASELINE = {"rows": 800, "columns": {"age|<b>": {"kind": "number", "missing": 0.25}}, "target": {"name": "bought"}}
PARAMETERS = {"name": "shop", "task": "binary", "target_column": "bought", "run_name": "run-1", "card": {}}
LOCK = """# comment
numpy==2.3.2 ; sys_platform != 'win32' \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via
    #   millrace (pyproject.toml)
    #   scikit_learn
scikit-learn==1.9.1 \\
    --hash=sha256:{a}
    # via millrace (pyproject.toml)
""".format(a="a" * 64, b="b" * 64)


class TestCard:
    def test_card_has_the_structure_of_hugging_face(self):
        text = make_card(EVALUATION, [], BASELINE, PARAMETERS | {"card": FULL_CARD})
        metadata = yaml.safe_load(text.split("---")[1])
        assert metadata["library_name"] == "sklearn" and metadata["pipeline_tag"] == "tabular-classification"
        (model,) = metadata["model-index"]
        assert model["results"][0]["metrics"] == [{"type": "roc_auc", "value": 0.81, "verified": False}]
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        expected = ["Model Details", "Uses", "Bias, Risks, and Limitations", "Training Details", "Evaluation"]
        assert headings == [*expected, "Model Card Contact"]
        for key in QUESTIONS:
            assert FULL_CARD[key] in text

    def test_open_questions_are_shown(self):
        text = make_card(EVALUATION, [], BASELINE, PARAMETERS)
        assert text.count("Not written yet.") == len(QUESTIONS)
        assert "does not certify" in text and text.count("Not measured.") == 2

    def test_groups_and_names_with_markup_are_text(self):
        groups = table_exhibit([("no|rth", 0.7)], ["region", "roc_auc"], title="By region", section="groups")
        text = make_card(EVALUATION, [groups], BASELINE, PARAMETERS)
        assert "| no\\|rth | 0.7000 |" in text and "| age\\|&lt;b&gt; | number | 25.0% |" in text

    def test_card_is_checked(self):
        assert find_card_faults({"owner": 3}) == ["card: owner is 3; expected a text."]
        assert main(["check", "-p", "card={ownr: Ada}"]) == 2


class TestRules:
    @pytest.mark.parametrize("name", rule_report.list_rules())
    def test_rule_file_is_dated_complete_and_refers_to_known_evidence(self, name):
        rule = rule_report.load_rule(name)
        assert rule["as_of"] and rule["sources"] and rule["applies"] and rule["title"]
        sections = {"history", "card", "duration", "unknown", "data", "models", "decisions", "calibration", "groups"}
        sections |= {"importance", "gates", "endpoint"}
        known = {f"card.{key}" for key in QUESTIONS} | {f"section.{each}" for each in sections} | {"notebooks"}
        known |= {"record.versions", "record.machine", "record.git", "record.user", "file.sbom", "file.manifest.json"}
        for item in rule["items"]:
            assert {*item} <= {"id", "asks", "evidence", "person", "not_applicable"}, item
            assert item.get("evidence") or item.get("person") or item.get("not_applicable"), item
            assert {*item.get("evidence", [])} <= known, item
        assert len({item["id"] for item in rule["items"]}) == len(rule["items"])

    @pytest.mark.parametrize("name", rule_report.list_rules())
    def test_every_item_is_answered_and_links_lead_somewhere(self, tmp_path, capsys, name):
        folder = write_run(tmp_path / "run", parameters={"card": FULL_CARD})
        assert main(["report", "--for", name, str(folder)]) == 0
        out = capsys.readouterr().out
        assert "does not certify" in out and "As of 2026-" in out and "Sources:" in out
        rows = re.findall(r"^\| (.+?) \| .+? \| \*(.+?)\* \|", out, re.MULTILINE)
        assert [row[0] for row in rows] == [str(item["id"]) for item in rule_report.load_rule(name)["items"]]
        assert {status for _, status in rows} <= {"evidence", "not applicable", "a person must write this"}
        assert main(["report", str(folder)]) == 0
        page = (folder / "report.html").read_text()
        for address in re.findall(r"\]\(([^)]+)\)", out.partition("Sources:")[0]):
            file, _, anchor = address.partition("#")
            assert (folder / file).is_file() and (not anchor or f'id="{anchor}"' in page), address

    def test_evidence_that_a_run_lacks_is_not_claimed(self, tmp_path):
        without = read_run(write_run(tmp_path / "without"))
        groups = table_exhibit([("north", 0.7)], ["region", "roc_auc"], title="By region", section="groups")
        with_groups = read_run(
            write_run(tmp_path / "with", {"evaluate": result(groups, chart_exhibit(), **EVALUATION)})
        )
        item = {item: answer for item, answer in self._by_item("sr-26-2", without)}["3.3"]
        assert item.status == rule_report.PERSON and "Missing in this run" in item.remark
        item = {item: answer for item, answer in self._by_item("sr-26-2", with_groups)}["3.3"]
        assert item.status == rule_report.EVIDENCE and item.links == (("Groups", "report.html#groups"),)

    @staticmethod
    def _by_item(name, run):
        return [(answer.item, answer) for answer in rule_report.answer_rule(rule_report.load_rule(name), run)]

    def test_unknown_rule_lists_the_known_ones(self, tmp_path, capsys):
        with pytest.raises(SystemExit):
            main(["report", "--for", "annex-v", str(tmp_path)])
        assert "annex-iv" in capsys.readouterr().err


class TestBillOfMaterials:
    def test_components_have_versions_hashes_and_users(self, tmp_path):
        lock = tmp_path / "lock.txt"
        lock.write_text(LOCK)
        assert main(["sbom", "--lock", str(lock), "--out", str(tmp_path / "sbom.json")]) == 0
        document = json.loads((tmp_path / "sbom.json").read_text())
        numpy, scikit_learn = document["components"]
        assert (numpy["purl"], numpy["version"]) == ("pkg:pypi/numpy@2.3.2", "2.3.2")
        assert [each["content"][0] for each in numpy["externalReferences"][0]["hashes"]] == ["a", "b"]
        assert numpy["properties"] == [{"name": "millrace:marker", "value": "sys_platform != 'win32'"}]
        needs = {each["ref"]: each["dependsOn"] for each in document["dependencies"]}
        assert needs[scikit_learn["bom-ref"]] == [numpy["bom-ref"]]
        assert needs[document["metadata"]["component"]["bom-ref"]] == [numpy["bom-ref"], scikit_learn["bom-ref"]]

    def test_document_of_this_lock_is_valid(self, capsys):
        assert main(["sbom"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
        assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", document["serialNumber"])
        references = [component["bom-ref"] for component in document["components"]]
        assert (
            len(references)
            == len(set(references))
            == len(re.findall(r"^\S+==", (ROOT / "requirements.lock").read_text(), re.M))
        )
        known = {*references, document["metadata"]["component"]["bom-ref"]}
        for component in document["components"]:
            assert component["type"] == "library" and component["name"] and component["version"]
            for reference in component["externalReferences"]:
                assert reference["hashes"]
                assert all(re.fullmatch(r"[0-9a-f]{64}", each["content"]) for each in reference["hashes"])
        for dependency in document["dependencies"]:
            assert {dependency["ref"], *dependency["dependsOn"]} <= known
            assert len(dependency["dependsOn"]) == len(set(dependency["dependsOn"]))

    def test_same_lock_has_the_same_serial_number(self):
        import datetime

        times = [datetime.datetime(2026, month, 1, tzinfo=datetime.UTC) for month in (1, 2)]
        first, second = (sbom.make_sbom(LOCK, "1.0", time) for time in times)
        assert first["serialNumber"] == second["serialNumber"] and first["components"] == second["components"]

    def test_other_files_are_refused(self, tmp_path, capsys):
        (tmp_path / "no.txt").write_text("hello\n")
        assert main(["sbom", "--lock", str(tmp_path / "no.txt")]) == 2
        assert "contains no package" in capsys.readouterr().err
        assert main(["sbom", "--lock", str(tmp_path / "gone.txt")]) == 2


def test_init_asks_for_the_card(tmp_path, monkeypatch):
    answers = iter(["Credit risk", "", "Order applications"])

    def answer(question):
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("lib.commands.init.ROOT", tmp_path / "project")
    for folder in ("parameters/schemas", "parameters/contracts"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    shutil.copy(ROOT / "data" / "penguins_raw.csv", tmp_path / "penguins.csv")
    assert main(["init", "--data", str(tmp_path / "penguins.csv"), "--target", "Species", "--card"]) == 0
    written = yaml.safe_load((tmp_path / "project" / "parameters" / "penguins.yaml").read_text())
    assert written["card"] == {"owner": "Credit risk", "intended_use": "Order applications"}
