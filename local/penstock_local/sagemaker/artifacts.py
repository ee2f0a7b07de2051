"""What a training job leaves behind in S3."""

from pathlib import Path

from penstock_local.sagemaker.archives import pack
from penstock_local.sagemaker.objects import ObjectStore
from penstock_local.sagemaker.records import Request


def upload_artifacts(objects: ObjectStore, request: Request, job_name: str, ml: Path) -> str:
    """Upload the model, and the other output if there is any; return the model's URL. Blocking."""
    output = request["OutputDataConfig"]
    place = f"{output['S3OutputPath'].rstrip('/')}/{job_name}/output"
    if output.get("CompressionType") == "NONE":
        _upload_files(objects, ml / "output/data", f"{place}/output")
        _upload_files(objects, ml / "model", f"{place}/model")
        return f"{place}/model/"
    if any((ml / "output/data").iterdir()):
        _upload_packed(objects, ml / "output/data", f"{place}/output.tar.gz")
    return _upload_packed(objects, ml / "model", f"{place}/model.tar.gz")


def _upload_packed(objects: ObjectStore, folder: Path, url: str) -> str:
    archive = folder.with_name(f"{folder.name}.tar.gz")
    pack(folder, archive)
    objects.upload(archive, url)
    return url


def _upload_files(objects: ObjectStore, folder: Path, url: str) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            objects.upload(path, f"{url}/{path.relative_to(folder).as_posix()}")
