"""Build the project's virtual environment: whole, or recognisably not there.

Arguments: the environment's folder, the pinned requirements file, the mark that tells it is complete.
Run by `venv.ts`. Python, because the kernel then holds the lock and lets go of it however this process ends.
"""

import fcntl
import pathlib
import shutil
import subprocess
import sys
import venv

folder, requirements, mark = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
# Console scripts hold the environment's absolute path, so it is built where it will stay. The mark, written last,
# tells a complete one from the rest of a build that was cut short.
complete = folder / ".complete"


def is_complete():
    return complete.is_file() and complete.read_text(encoding="utf-8") == mark


lock_file = folder.parent / ".ansible" / "venv.lock"
lock_file.parent.mkdir(exist_ok=True)
with lock_file.open("w", encoding="utf-8") as lock:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("waiting for another build of the environment", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    if is_complete():
        sys.exit(0)
    if folder.exists():
        print("removing the environment of other requirements", flush=True)
        shutil.rmtree(folder)
    print(f"making {folder.name} with Python {sys.version.split()[0]}", flush=True)
    venv.create(folder, with_pip=True)
    print("installing the pinned packages (about a minute)", flush=True)
    # The file is the full resolution, so pip resolves nothing: old releases of pip search for most of an hour.
    pip = subprocess.run(
        [
            folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", requirements,
        ],
        check=False,
    )
    if pip.returncode:
        sys.exit(pip.returncode)
    complete.write_text(mark, encoding="utf-8")
