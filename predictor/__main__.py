"""``python -m predictor``: serve one package. See ``--help``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from predictor.limits import Limits
from predictor.logs import FORMATS, configure
from predictor.serve import serve
from predictor.settings import ServeConfig, cores, revision_of
from weathervane.config import state_folder
from weathervane.errors import ExitCode, WeathervaneError


def parse(arguments: Sequence[str], program: str) -> ServeConfig:
    """Settings out of a command line; ends the process with 2 when it is wrong."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Serve one package over the Open Inference Protocol V2 (REST and gRPC).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    option = parser.add_argument
    option(
        "--package",
        default="",
        metavar="PLACE",
        help="a package's folder, or s3://bucket/models/name/digest; WEATHERVANE_STORE_… name the "
        "store",
    )
    option("--digest", default="", metavar="SHA256", help="what the package must be")
    option(
        "--packages",
        default="",
        metavar="PLACE",
        help="instead of both: a folder of packages, or s3://bucket/prefix; the one called --name "
        "is served, and an admin may load another",
    )
    option("--name", default="weather", help="the model's name in addresses")
    revision = revision_of(os.environ)
    option(
        "--revision",
        required=revision is None,
        default=revision,
        help="this copy's name in headers and metrics; else K_REVISION, WEATHERVANE_REVISION",
    )
    option("--host", default="127.0.0.1", help="the address to listen on")
    option("--http-port", type=int, default=8080, metavar="N", help="for REST; 0 is any free one")
    option("--grpc-port", type=int, default=8081, metavar="N", help="for gRPC; 0 is any free one")
    option("--threads", type=int, default=cores(), metavar="N", help="pictures in work at once")
    option(
        "--queue",
        type=int,
        default=256,
        metavar="N",
        help="requests that may wait for a thread; others are answered 429 at once",
    )
    option(
        "--max-wait-seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="a request that has waited so long, or would as others lasted lately, is answered 503",
    )
    option(
        "--max-body-mebibytes",
        type=int,
        default=8,
        metavar="N",
        help="pictures in the largest request read; a JSON body may be a third larger, for base64",
    )
    option(
        "--cache",
        type=Path,
        default=state_folder() / "packages",
        metavar="FOLDER",
        help="where packages from a store are kept",
    )
    option(
        "--max-connections",
        type=int,
        default=Limits.connections,
        metavar="N",
        help="REST connections at once; one more takes the place of one whose request is not whole",
    )
    option(
        "--max-head-seconds",
        type=float,
        default=Limits.head_seconds,
        metavar="S",
        help="a request whose headers take longer is cut",
    )
    option(
        "--max-body-seconds",
        type=float,
        default=Limits.body_seconds,
        metavar="S",
        help="a request whose body takes longer is cut",
    )
    option(
        "--drain-seconds",
        type=float,
        default=5.0,
        metavar="S",
        help="after SIGTERM: how long to serve on while not ready, so that senders notice",
    )
    option(
        "--store-seconds",
        type=float,
        default=300.0,
        metavar="S",
        help="how long to ask a store that fails, for a package, before giving up",
    )
    option(
        "--api-keys",
        type=Path,
        metavar="FILE",
        help="who may classify: a SHA-256 a line; else WEATHERVANE_API_KEYS, else everybody",
    )
    option(
        "--admin-keys",
        type=Path,
        metavar="FILE",
        help="likewise who is an admin; else WEATHERVANE_ADMIN_KEYS, else nobody",
    )
    option("--docs", action="store_true", help="serve /docs and /openapi.json to admins")
    option("--log-format", choices=FORMATS, default="text", help="lines, or JSON objects")
    option("--log-requests", action="store_true", help="a line for each request")
    option("--payload-log", metavar="URL", help="send a sample of requests here, as CloudEvents")
    option(
        "--payload-share",
        type=float,
        default=0.01,
        metavar="P",
        help="of the answered requests, chosen by their ids",
    )
    given = vars(parser.parse_args(arguments))
    limits = Limits(
        connections=given.pop("max_connections"),
        head_seconds=given.pop("max_head_seconds"),
        body_seconds=given.pop("max_body_seconds"),
    )
    return ServeConfig(**given, limits=limits)


def run(arguments: Sequence[str], program: str) -> None:
    """Serve until told to stop; raises what kept it from serving."""
    config = parse(arguments, program)
    configure(config.log_format, each_request=config.log_requests)
    serve(config)


def main() -> int:
    """Run, and turn every error into one line and its exit code."""
    try:
        run(sys.argv[1:], "python -m predictor")
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except WeathervaneError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
