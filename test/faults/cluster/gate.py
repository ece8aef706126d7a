"""What pods of the tests talk to: a dead-man's switch, and a gate before the bucket store that holds connections."""

import asyncio
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])
switch_port, gate_port, store_port = map(int, sys.argv[2:])


async def beat(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = head.split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
    await reader.readexactly(length)
    with open(folder / "beats", "a") as file:
        file.write(lines[0].split(" ")[1] + "\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def gate(reader, writer):
    while (folder / "closed").exists():
        await asyncio.sleep(0.2)
    upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", store_port)
    await asyncio.gather(pump(reader, upstream_writer), pump(upstream_reader, writer))


async def main():
    await asyncio.start_server(beat, "0.0.0.0", switch_port)
    await asyncio.start_server(gate, "0.0.0.0", gate_port)
    await asyncio.Event().wait()


asyncio.run(main())
