import pytest
from penstock_local.api_calls import rest

S3_REQUESTS = [
    ("GET", "/archive/readings/a.parquet", "x-id=GetObject", [], "GetObject"),
    ("HEAD", "/archive/readings/a.parquet", "", [], "HeadObject"),
    ("PUT", "/archive/readings/a.parquet", "x-id=PutObject", ["content-length"], "PutObject"),
    ("PUT", "/archive/copy.parquet", "", ["x-amz-copy-source"], "CopyObject"),
    ("PUT", "/archive/big", "partNumber=2&uploadId=abc", [], "UploadPart"),
    ("POST", "/archive/big", "uploads", [], "CreateMultipartUpload"),
    ("POST", "/archive/big", "uploadId=abc", [], "CompleteMultipartUpload"),
    ("DELETE", "/archive/big", "uploadId=abc", [], "AbortMultipartUpload"),
    ("DELETE", "/archive/big", "", [], "DeleteObject"),
    ("GET", "/archive", "list-type=2&prefix=readings%2F", [], "ListObjectsV2"),
    ("GET", "/archive", "prefix=readings%2F", [], "ListObjects"),
    ("HEAD", "/archive", "", [], "HeadBucket"),
    ("GET", "/", "", [], "ListBuckets"),
]


@pytest.mark.parametrize(("method", "path", "query", "headers", "name"), S3_REQUESTS)
def test_requests_to_s3_are_told_by_method_path_query_and_headers(
    method: str, path: str, query: str, headers: list[str], name: str
) -> None:
    found = rest.find("s3", method, path, query, headers)
    assert found is not None
    assert found[0] == name


def test_keys_keep_their_slashes_and_even_line_breaks() -> None:
    found = rest.find("s3", "GET", "/archive/a/b\nc/d.json", "", [])
    assert found == ("GetObject", {"Bucket": "archive", "Key": "a/b\nc/d.json"})


def test_an_invocation_names_its_endpoint() -> None:
    path = "/endpoints/penstock-pump/invocations"
    found = rest.find("sagemaker-runtime", "POST", path, "", ["content-type"])
    assert found == ("InvokeEndpoint", {"EndpointName": "penstock-pump"})


def test_what_no_model_has_is_nothing() -> None:
    assert rest.find("sagemaker-runtime", "GET", "/_penstock/health", "", []) is None
