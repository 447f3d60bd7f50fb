"""The labelled tables in the wheel of NannyML 0.13.1: reference rows, later rows with targets, a model's answers."""

from dataclasses import dataclass, field

import pandas as pd

CHUNKS = 10  # NannyML's default


@dataclass(frozen=True)
class LabelledSet:
    """Files and columns of a table."""

    reference: str
    analysis: str
    targets: str
    key: str
    target: str
    task: str
    prediction: str = "y_pred"
    probabilities: dict = field(default_factory=dict)  # the column of each class
    columns: tuple = ()

    @property
    def classes(self):
        return list(self.probabilities)


def _binary(reference, analysis, targets, target, columns, probability="y_pred_proba", prediction="y_pred"):
    probabilities = {0: "", 1: probability}
    return LabelledSet(
        reference, analysis, targets, "id", target, "binary", prediction, probabilities, columns=tuple(columns.split())
    )


_LOAN = (
    "car_value salary_range debt_to_income_ratio loan_length repaid_loan_on_prev_car size_of_downpayment driver_tenure"
)
SETS = {
    "california housing": _binary(
        "california_housing_reference.csv",
        "california_housing_analysis.csv",
        "california_housing_analysis_gt.csv",
        "clf_target",
        "MedInc HouseAge AveRooms AveBedrms Population AveOccup Latitude Longitude",
    ),
    "employment in Massachusetts": _binary(
        "employment_MA_reference.pq",
        "employment_MA_analysis.pq",
        "employment_MA_analysis_target.pq",
        "employed",
        "AGEP SCHL MAR RELP DIS ESP CIT MIG MIL ANC NATIVITY DEAR DEYE DREM SEX RAC1P",
        "predicted_probability",
        "prediction",
    ),
    "car loan": _binary(
        "synthetic_car_loan_reference.csv",
        "synthetic_car_loan_analysis.csv",
        "synthetic_car_loan_analysis_target.csv",
        "repaid",
        _LOAN,
    ),
    "car loan, missing values": _binary(
        "synthetic_car_loan_dq_reference.csv",
        "synthetic_car_loan_dq_analysis.csv",
        "synthetic_car_loan_analysis_target.csv",
        "repaid",
        _LOAN,
    ),
    "work from home": _binary(
        "synthetic_sample_reference.csv",
        "synthetic_sample_analysis.csv",
        "synthetic_sample_analysis_gt.csv",
        "work_home_actual",
        "distance_from_office salary_range gas_price_per_litre public_transportation_cost wfh_prev_workday workday "
        "tenure",
    ),
    "credit cards, three classes": LabelledSet(
        "mc_reference.csv",
        "mc_analysis.csv",
        "mc_analysis_gt.csv",
        "id",
        "y_true",
        "multiclass",
        probabilities={name: f"y_pred_proba_{name}" for name in ("highstreet_card", "prepaid_card", "upmarket_card")},
        columns=tuple(
            "acq_channel app_behavioral_score requested_credit_limit app_channel credit_bureau_score stated_income "
            "is_customer".split()
        ),
    ),
    "car price": LabelledSet(
        "regression_synthetic_reference.csv",
        "regression_synthetic_analysis.csv",
        "regression_synthetic_analysis_targets.csv",
        "id",
        "y_true",
        "regression",
        columns=tuple("car_age km_driven price_new accident_count door_count fuel transmission".split()),
    ),
}


def read_set(folder, name):
    """Return the reference rows and the later rows with their targets."""
    labelled = SETS[name]
    reference, analysis, targets = (
        _read(folder / file) for file in (labelled.reference, labelled.analysis, labelled.targets)
    )
    if "id" in analysis and len(targets) == len(analysis) and labelled.key in targets:
        analysis = analysis.merge(targets[[labelled.key, labelled.target]], on=labelled.key, validate="1:1")
    reference = reference.dropna(subset=[labelled.target])
    return reference.reset_index(drop=True), analysis.reset_index(drop=True)


def _read(path):
    frame = pd.read_parquet(path) if path.suffix == ".pq" else pd.read_csv(path)
    return frame.drop(columns=[column for column in frame if column.startswith("Unnamed")])
