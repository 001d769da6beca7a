"""Step 1 of validation in shards: look at a part of the pictures."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def look(data: str, shard: str, looks: dsl.Output[dsl.Artifact]) -> None:
    """Look at one shard of the pictures of ``data``, such as 3/8; nothing is decided here."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from weathervane.data import looking
    from weathervane.data.looks import write_looks

    with TemporaryDirectory() as scratch:
        seen = looking.look_at_part(data, shard, Path(scratch, "pictures"))
        write_looks(Path(looks.path), seen)
    print(f"{len(seen.looks)} files looked at")
