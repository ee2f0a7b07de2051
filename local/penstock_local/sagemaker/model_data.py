"""A variant's model on disk, as its container finds it in /opt/ml/model."""

import shutil
import threading
from pathlib import Path

from penstock_local.sagemaker.archives import unpack
from penstock_local.sagemaker.objects import ObjectStore, TransferError
from penstock_local.sagemaker.records import VariantPlan


def fetch_model(plan: VariantPlan, ml: Path, objects: ObjectStore, stop: threading.Event) -> None:
    """Blocking. A complete folder of an earlier run is used again, whatever S3 holds now."""
    model = ml / "model"
    if model.exists():
        return
    shutil.rmtree(ml, ignore_errors=True)
    ml.mkdir(parents=True)
    if plan.model_url is None:
        model.mkdir()
    elif plan.model_is_prefix:
        partial = ml / "model.partial"
        if not objects.download_prefix(plan.model_url, partial, stop):
            raise TransferError(f"No S3 objects found under {plan.model_url}")
        partial.replace(model)
    else:
        archive = ml / "model.tar.gz"
        objects.download(plan.model_url, archive, stop)
        unpack(archive, model)
        archive.unlink()
