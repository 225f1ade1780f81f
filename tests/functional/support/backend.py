"""A backend: a host with a real nginx that says its name, hands out a large file and stores uploads."""

import hashlib
import pathlib
import sys

from support.host import Host, wait_until

HERE = pathlib.Path(__file__).resolve().parent
NGINX = """
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log warn;
events {{ worker_connections 16384; }}
http {{
    log_format lab '$server_addr $remote_addr $status $request_method $request_uri $bytes_sent';
    access_log {directory}/access.log lab;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type text/plain;
    keepalive_requests 1000000;
    server {{
        {listen}
        location = / {{ return 200 "{name}\\n"; }}
        location = /healthz {{
            access_log off;
            if (-f {directory}/unhealthy) {{ return 503 "not now\\n"; }}
            return 200 "ok\\n";
        }}
        location /files/ {{ alias {files}/; sendfile on; }}
        location /slow/ {{ alias {files}/; limit_rate {slow_rate}; }}
        location /upload/ {{
            root {directory};
            dav_methods PUT DELETE;
            create_full_put_path on;
            client_max_body_size 0;
        }}
    }}
}}
"""


class Backend(Host):
    """Host with `addresses` {4: "10.2.0.11", 6: "fd00:2::b"}, serving HTTP on `ports`."""

    def __init__(self, namespace, name, directory, addresses, ports, files):
        super().__init__(namespace, name, directory)
        self.addresses = addresses
        self.ports = ports
        self.files = files
        self.nginx = None

    def start_nginx(self, slow_rate="2m"):
        """Starts nginx and returns when it accepts connections on every port."""
        (self.directory / "upload").mkdir(exist_ok=True)
        listen = " ".join(f"listen {port} backlog=8192; listen [::]:{port} backlog=8192;" for port in self.ports)
        config = self.directory / "nginx.conf"
        config.write_text(NGINX.format(directory=self.directory, name=self.name, listen=listen,
                                       files=self.files, slow_rate=slow_rate))
        self.nginx = self.start("nginx", "nginx", "-p", self.directory, "-e", self.directory / "nginx-error.log",
                                "-c", config)
        wait_until(f"nginx on {self.name} listens on {self.ports}; {self.nginx.log}", self._listens)
        return self.nginx

    def _listens(self):
        if not self.nginx.is_running():
            raise RuntimeError(self.nginx.tail())
        wanted = [f"sport = :{port}" for port in self.ports]
        sockets = self.run("ss", "-Hltn", " or ".join(wanted)).stdout.splitlines()
        return len(sockets) >= 2 * len(self.ports)

    def set_healthy(self, healthy):
        """What /healthz answers from now on: 200 or 503. Everything else is served as before."""
        mark = self.directory / "unhealthy"
        if healthy:
            mark.unlink(missing_ok=True)
        else:
            mark.touch()

    def kill_nginx(self):
        """The machine room's way: every nginx process at once, established connections with it."""
        self.nginx.kill()
        self.nginx.wait()

    def requests(self, vip=None, method=None):
        """How many requests nginx has answered, of those to one VIP or by one method if given."""
        try:
            lines = (self.directory / "access.log").read_text().splitlines()
        except FileNotFoundError:
            return 0
        fields = [line.split() for line in lines]
        return sum(1 for f in fields if (vip is None or f[0] == vip) and (method is None or f[3] == method))

    def uploaded_sha256(self, name):
        """Of what arrived under /upload/NAME; None if nothing did."""
        path = self.directory / "upload" / name
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None

    def start_udp_echo(self, port, addresses):
        """A UDP server bound to these addresses, which may come to be later; it answers NAME and the payload."""
        process = self.start(f"udp-{port}", sys.executable, "-u", HERE / "udp_echo.py", self.name, port, *addresses)
        wait_until(f"the UDP server on {self.name} is bound", lambda: "ready" in process.log.read_text())
        return process

    def vip_by_hand(self, *vips):
        """VIPs on lo, neither announced nor answered for: what lbagent does, for a first look without it."""
        for vip in vips:
            self.ip(f"addr add {vip}/{128 if ':' in vip else 32} dev lo" + (" nodad" if ":" in vip else ""))
        self.sysctl({f"net.ipv4.conf.{device}.{key}": value for device in ("all", "eth0")
                     for key, value in (("arp_ignore", 1), ("arp_announce", 2))})
