"""days_server.py NAME PORT: a TCP server that answers each line with "NAME line", for as long as the client likes."""

import asyncio
import sys

NAME, PORT = sys.argv[1], int(sys.argv[2])


async def serve(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(NAME.encode() + b" " + line)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def main():
    server = await asyncio.start_server(serve, ["0.0.0.0", "::"], PORT, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
