"""``python -m predictor``: serve one package. See ``--help``."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from predictor.serve import serve
from predictor.settings import ServeConfig, cores
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
        required=True,
        metavar="PLACE",
        help="a package's folder, or s3://bucket/models/name/digest; WEATHERVANE_STORE_… name the "
        "store",
    )
    option("--digest", required=True, metavar="SHA256", help="what the package must be")
    option("--name", default="weather", help="the model's name in addresses")
    option("--revision", required=True, help="this copy's name in headers and metrics")
    option("--host", default="127.0.0.1", help="the address to listen on")
    option("--http-port", type=int, default=8080, metavar="N", help="for REST; 0 is any free one")
    option("--grpc-port", type=int, default=8081, metavar="N", help="for gRPC; 0 is any free one")
    option("--threads", type=int, default=cores(), metavar="N", help="pictures in work at once")
    option(
        "--queue",
        type=int,
        default=64,
        metavar="N",
        help="requests that may wait for a thread; others are answered 503 at once",
    )
    option(
        "--max-wait-seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="a request that would wait longer, as others have lasted lately, is answered 503",
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
    return ServeConfig(**vars(parser.parse_args(arguments)))


def run(arguments: Sequence[str], program: str) -> None:
    """Serve until told to stop; raises what kept it from serving."""
    config = parse(arguments, program)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # The SDK and its web server tell of every step; we tell of our own.
    logging.getLogger("kserve").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # An error says at its end what each of the store's retries would say before.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # A client's malformed form is the client's to know.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
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
