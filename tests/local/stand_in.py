"""A quick stand-in for ``python -m predictor``: same arguments, real HTTP, and no model behind it.

The digest says how it behaves: ``slow…`` answers after a while, ``timed…`` after some 50 ms as
services do, ``tardy…`` 30 % later than that, ``fail…`` answers 500, ``busy…`` answers 429,
``drops…`` closes the connection instead of an answer, ``half…`` does so in the first replica only,
``dies…`` ends before it listens, anything else answers at once. The label is the revision's name;
the request's headers are in the answer.
"""

import argparse
import asyncio
import os
import random
import sys
from math import log

from aiohttp import web


def main() -> None:
    parser = argparse.ArgumentParser()
    for option in ("threads", "package", "digest", "name", "revision", "host", "cache"):
        parser.add_argument(f"--{option}")
    for option in ("drain-seconds", "store-seconds"):
        parser.add_argument(f"--{option}", type=float)
    parser.add_argument("--http-port", type=int)
    parser.add_argument("--grpc-port", type=int)
    options = parser.parse_args()
    if options.digest.startswith("dies"):
        sys.exit("error: this package is refused")
    headers = {"x-weathervane-revision": options.revision}
    first = os.environ.get("WEATHERVANE_PROCESS", "").endswith(".1")
    drops = options.digest.startswith("drops") or (options.digest.startswith("half") and first)

    async def ready(request: web.Request) -> web.Response:
        return web.json_response({"ready": True}, headers=headers)

    async def infer(request: web.Request) -> web.Response:
        await request.read()
        if drops:
            print("dropped", flush=True)
            request.transport.abort()
            return web.Response()
        if options.digest.startswith("slow"):
            await asyncio.sleep(0.35)
        if options.digest.startswith(("timed", "tardy")):
            factor = 1.3 if options.digest.startswith("tardy") else 1.0
            await asyncio.sleep(factor * random.lognormvariate(log(0.05), 0.4))
        if options.digest.startswith("fail"):
            return web.json_response({"error": "no"}, status=500, headers=headers)
        if options.digest.startswith("busy"):
            return web.json_response({"error": "later"}, status=429, headers=headers)
        outputs = [
            {"name": "label", "datatype": "BYTES", "shape": [1], "data": [options.revision]},
            {"name": "confidence", "datatype": "FP32", "shape": [1], "data": [0.9]},
        ]
        got = {name.lower(): value for name, value in request.headers.items()}
        return web.json_response({"outputs": outputs, "headers": got}, headers=headers)

    app = web.Application()
    app.router.add_get("/v2/health/ready", ready)
    app.router.add_post(f"/v2/models/{options.name}/infer", infer)
    # As the predictor's server does, idle connections are closed after five seconds. Unlike it,
    # what is under way at SIGTERM is dropped: nobody may rely on its being finished.
    web.run_app(
        app,
        host=options.host,
        port=options.http_port,
        keepalive_timeout=5,
        handle_signals=False,
        print=None,
        access_log=None,
    )


if __name__ == "__main__":
    main()
