"""Asks for a TXT record over UDP by a question of any size, which dig would turn to TCP for.

    ask_dns.py SERVER NAME EXTRA_BYTES    the record's strings, one a line
"""

import random
import socket
import sys

from scapy.layers.dns import DNS, DNSQR, DNSRROPT, EDNS0TLV

PRIVATE_OPTION = 65001  # RFC 6891: for local use; a server ignores it


def main():
    server, name, extra_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3])
    option = EDNS0TLV(optcode=PRIVATE_OPTION, optdata=random.randbytes(extra_bytes))
    question = DNS(id=random.randrange(1 << 16), rd=1, qd=DNSQR(qname=name, qtype="TXT"),
                   ar=DNSRROPT(rclass=8192, rdata=[option]))
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(3)
        client.connect((server, 53))
        client.send(bytes(question))
        answer = DNS(client.recv(65536))
    if answer.id != question.id or answer.rcode != 0 or answer.ancount != 1:
        sys.exit(f"not the answer: {answer.summary()}")
    for string in answer.an.rdata:
        print(string.decode())


if __name__ == "__main__":
    main()
