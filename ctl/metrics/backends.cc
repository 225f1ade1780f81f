#include "ctl/daemon/counts.h"
#include "ctl/metrics/exporter.h"
#include "ctl/metrics/rows.h"

namespace fairlead::metrics {
namespace {

struct Row {
    const model::Service* service;
    const model::Backend* backend;
    const std::string* labels;
    daemon::BackendCounts counts;
};

void write_states(TextWriter& out, const std::vector<Row>& rows) {
    write_family(out,
                 rows,
                 "fairlead_backend_up",
                 Type::kGauge,
                 "Whether its health lets it take new flows.",
                 [](const Row& row) { return takes_new_flows(row.backend->health); });
    out.family("fairlead_backend_info", Type::kGauge, "What the backend is; always 1.");
    for (const Row& row : rows) {
        out.sample(*row.labels,
                   "," + label("address", row.backend->address.text().data()) + "," +
                       label("origin", to_text(row.backend->origin)),
                   1);
    }
    write_family(out,
                 rows,
                 "fairlead_backend_weight",
                 Type::kGauge,
                 "Its weight by the file and the overrides.",
                 [](const Row& row) { return row.backend->weight; });
    write_family(out,
                 rows,
                 "fairlead_backend_effective_weight",
                 Type::kGauge,
                 "Its weight in the lookup table now; 0: no new flows.",
                 [](const Row& row) { return row.backend->ring_weight(); });
    write_family(out,
                 rows,
                 "fairlead_backend_transitions_total",
                 Type::kCounter,
                 "Changes between serving, draining and out since lbd started.",
                 [](const Row& row) { return row.backend->transitions; });
    write_family(out,
                 rows,
                 "fairlead_backend_last_change_timestamp_seconds",
                 Type::kGauge,
                 "When it last changed between serving, draining and out, since the epoch.",
                 [](const Row& row) { return model::unix_seconds(row.backend->since); });
    out.family("fairlead_backend_drain_start_timestamp_seconds",
               Type::kGauge,
               "When the drain began that goes on now, since the epoch.");
    for (const Row& row : rows) {
        if (row.backend->drain_start) {
            out.sample(*row.labels, "", model::unix_seconds(*row.backend->drain_start));
        }
    }
}

void write_path_mtus(TextWriter& out, const daemon::Daemon& daemon, const std::vector<Row>& rows) {
    out.family(
        "fairlead_backend_path_mtu_bytes",
        Type::kGauge,
        "The largest packet to the backend, as a router on the way says; only while one says.");
    for (const Row& row : rows) {
        if (const auto mtu = daemon.path_mtu_to(*row.service, *row.backend)) {
            out.sample(*row.labels, "", *mtu);
        }
    }
    const neighbor::PathMtuListener* const listener = daemon.path_mtus();
    out.family("fairlead_path_mtu_messages_total",
               Type::kCounter,
               "Too-big messages of routers about tunnels, by whether the tunnel was ours.");
    out.sample("", label("result", "believed"), listener == nullptr ? 0 : listener->believed());
    out.sample("", label("result", "ignored"), listener == nullptr ? 0 : listener->ignored());
}

void write_links(TextWriter& out, const daemon::Daemon& daemon, const std::vector<Row>& rows) {
    out.family("fairlead_backend_link_confirmed_age_seconds",
               Type::kGauge,
               "Since the kernel last had word of the neighbor that the backend is reached by, at "
               "most; none where the MAC address is written in.");
    for (const Row& row : rows) {
        if (const auto age = daemon.link_confirmed_ago(*row.service, *row.backend)) {
            out.sample(*row.labels, "", static_cast<std::uint64_t>(age->count()));
        }
    }
    const neighbor::KernelTraffic traffic = daemon.neighbors().traffic();
    out.family("fairlead_kernel_queries_total",
               Type::kCounter,
               "Questions to the kernel, by what they are about.");
    out.sample("", label("about", "route"), traffic.route_queries);
    out.sample("", label("about", "neighbor"), traffic.neighbor_queries);
    out.family("fairlead_kernel_rereads_total",
               Type::kCounter,
               "Times that all links, addresses and neighbors were read anew, because the kernel "
               "told more at once than its socket holds.");
    out.sample("", "", traffic.rereads);
}

}  // namespace

void write_backends(TextWriter& out,
                    daemon::Daemon& daemon,
                    const std::vector<ServiceSeries>& series) {
    const std::vector<model::Service>& services = daemon.model().services();
    std::vector<Row> rows;
    for (std::size_t i = 0; i < services.size(); ++i) {
        for (const BackendSeries& entry : series[i].backends) {
            const model::Backend& backend = services[i].backends[entry.position];
            rows.push_back(
                {&services[i],
                 &backend,
                 &entry.labels,
                 daemon::counts_of(daemon.publisher(), daemon.telemetry(), services[i], backend)});
        }
    }
    write_states(out, rows);
    write_path_mtus(out, daemon, rows);
    write_links(out, daemon, rows);
    write_family(out,
                 rows,
                 "fairlead_backend_forwarded_packets_total",
                 Type::kCounter,
                 "Packets sent to the backend.",
                 [](const Row& row) { return row.counts.packets; });
    write_family(out,
                 rows,
                 "fairlead_backend_forwarded_bytes_total",
                 Type::kCounter,
                 "Bytes of Ethernet frames, as received, of the packets sent to the backend.",
                 [](const Row& row) { return row.counts.bytes; });
    write_family(out,
                 rows,
                 "fairlead_backend_new_flows_total",
                 Type::kCounter,
                 "Flows that began at the backend.",
                 [](const Row& row) { return row.counts.new_flows; });
    write_family(out,
                 rows,
                 "fairlead_backend_active_flows",
                 Type::kGauge,
                 "Flows of the backend in the flow tables.",
                 [](const Row& row) { return row.counts.active_flows; });
}

}  // namespace fairlead::metrics
