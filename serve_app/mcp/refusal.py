"""A refusal as clients of MCP read it: a JSON-RPC error without an id, under HTTP's own status."""

from typing import Any

PARSE_ERROR, INVALID_REQUEST, INTERNAL_ERROR = -32700, -32600, -32603
"""JSON-RPC 2.0's own codes."""


def json_rpc_error(status: int, code: str, sentence: str) -> tuple[int, dict[str, Any]]:
    """What was refused before it was read as a message, so that it has no id yet."""
    number = INTERNAL_ERROR if status >= 500 else INVALID_REQUEST
    if code == "malformed_body":
        number = PARSE_ERROR
    error = {"code": number, "message": sentence, "data": {"code": code}}
    return status, {"jsonrpc": "2.0", "id": None, "error": error}
