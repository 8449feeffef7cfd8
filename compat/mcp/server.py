"""One request's server of the official SDK. Only `app` imports this module, with the first request.

The SDK takes 2 seconds and 60 MB to import, which an exchange without agents need not pay.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import mcp_types as types
import msgspec
from django.conf import settings
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError

from compat.mcp.tools import BY_NAME, INSTRUCTIONS, TOOLS, Tool, build_schema
from web.asgi import Response, Scope, call

CallTool = Callable[[Tool], Awaitable[Response]]


def _describe(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=build_schema(tool.arguments),
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=not tool.is_trading,
            destructive_hint=tool.is_trading,
            open_world_hint=False,
        ),
    )


_SHOWN: Final = {tool.name: _describe(tool) for tool in TOOLS}


async def serve(
    scope: Scope, body: bytes, scopes: Collection[str], call_tool: CallTool
) -> Response:
    """Return the answer to one message of a caller with these scopes."""
    server = _build_server(scopes, call_tool)
    manager = StreamableHTTPSessionManager(
        app=server,
        stateless=True,
        json_response=True,
        max_request_body_size=settings.BODY_BYTES_MAX,
    )
    async with manager.run():
        return await call(manager.handle_request, scope, body)


def _build_server(scopes: Collection[str], call_tool: CallTool) -> Server[Any]:
    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        # Scopes belong to the key, so a cached list must not be shared by callers.
        shown = [_SHOWN[tool.name] for tool in TOOLS if tool.scope in scopes]
        return types.ListToolsResult(tools=shown)

    async def run_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = BY_NAME.get(params.name)
        if tool is None or tool.scope not in scopes:
            raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name[:80]}")
        return _show_answer(await call_tool(tool))

    return Server(
        "predex",
        version=settings.VERSION,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=run_tool,
        get_tool_input_schema=lambda _name: None,
    )


def _show_answer(response: Response) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=response.body.decode())],
        structured_content=msgspec.json.decode(response.body),
        is_error=response.status >= 400,
    )
