"""schemathesis asks a real service what its OpenAPI schema allows, and what it does not."""

import pytest
import schemathesis
from hypothesis import given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]


OPERATIONS = ("/predict", "/recommend", "/similar", "/fold-in", "/fold-in-table", "/healthz", "/metrics")


@pytest.fixture(scope="module")
def described(service):
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def test_every_operation_is_asked(described):
    assert {result.ok().path for result in described.get_all_operations()} == set(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", GenerationMode)
@pytest.mark.parametrize("path", OPERATIONS)
def test_every_answer_is_one_that_the_schema_names(described, path, mode):
    [operation] = [found for result in described.get_all_operations() if (found := result.ok()).path == path]

    @settings(max_examples=100, derandomize=True)
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case):
        case.call_and_validate(checks=CHECKS)

    if mode is GenerationMode.POSITIVE or operation.body:
        asked()
