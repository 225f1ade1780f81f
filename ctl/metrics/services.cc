#include <string>

#include "conf/schema/service_key.h"
#include "ctl/metrics/exporter.h"
#include "ctl/metrics/rows.h"
#include "dp/shm/drop_reason.h"
#include "dp/shm/prefix_layout.h"

namespace fairlead::metrics {
namespace {

using Totals = publish::TelemetryView::ServiceTotals;

struct Row {
    const model::Service* service;
    const std::string* labels;
    Totals totals;
};

std::string info_labels(const conf::ServiceConfig& config) {
    return "," + label("vip", conf::vip_text(config)) +
           (config.protocol == conf::Protocol::kTcp ? ",protocol=\"tcp\"" : ",protocol=\"udp\"") +
           "," + label("forwarding", conf::to_text(config.forwarding)) + "," +
           label("hash", conf::hash_text(config));
}

std::uint64_t count_in(const model::Service& service, model::Effective state) {
    std::uint64_t count = 0;
    for (const model::Backend& backend : service.backends) {
        count += backend.effective == state && !backend.stands_by() ? 1U : 0U;
    }
    return count;
}

void write_states(TextWriter& out, const std::vector<Row>& rows) {
    out.family("fairlead_service_info", Type::kGauge, "What the service is; always 1.");
    for (const Row& row : rows) {
        out.sample(*row.labels, info_labels(row.service->config), 1);
    }
    out.family("fairlead_service_backends", Type::kGauge, "Backends by effective state.");
    for (const Row& row : rows) {
        for (const model::Effective state :
             {model::Effective::kServing, model::Effective::kDraining, model::Effective::kOut}) {
            out.sample(
                *row.labels, "," + label("state", to_text(state)), count_in(*row.service, state));
        }
    }
}

// Only what is configured.
void write_below_min_healthy(TextWriter& out, const std::vector<Row>& rows) {
    out.family("fairlead_service_below_min_healthy",
               Type::kGauge,
               "Whether fewer backends are healthy than min_healthy asks for.");
    for (const Row& row : rows) {
        if (row.service->config.min_healthy.is_set()) {
            out.sample(*row.labels, "", row.service->is_below_min_healthy);
        }
    }
}

void write_dropped(TextWriter& out, const std::vector<Row>& rows) {
    out.family("fairlead_service_dropped_packets_total",
               Type::kCounter,
               "Packets for the service that were dropped, by reason.");
    for (const Row& row : rows) {
        for (std::size_t i = 1; i < kDropReasonCount; ++i) {
            if (row.totals.dropped[i] > 0) {
                out.sample(*row.labels,
                           "," + label("reason", kDropReasonTexts[i].metric),
                           row.totals.dropped[i]);
            }
        }
    }
}

// Only what is configured: most services have no limits.
void write_limits(TextWriter& out, const std::vector<Row>& rows, std::size_t prefix_count) {
    out.family("fairlead_service_source_prefixes",
               Type::kGauge,
               "Source prefixes of the service, by list.");
    for (const Row& row : rows) {
        const conf::ServiceConfig& config = row.service->config;
        if (config.allow) {
            out.sample(*row.labels, ",list=\"allow\"", config.allow->size());
        }
        if (config.deny) {
            out.sample(*row.labels, ",list=\"deny\"", config.deny->size());
        }
    }
    out.family("fairlead_service_limit",
               Type::kGauge,
               "What the service takes a second: packets, or new flows of one source.");
    for (const Row& row : rows) {
        const conf::LimitsConfig& limits = row.service->config.limits;
        if (limits.packets > 0) {
            out.sample(*row.labels, ",limit=\"packets\"", limits.packets);
        }
        if (limits.new_flows_per_source > 0) {
            out.sample(*row.labels, ",limit=\"new_flows_per_source\"", limits.new_flows_per_source);
        }
    }
    out.family("fairlead_source_prefixes",
               Type::kGauge,
               "Source prefixes in force, of all services; equal lists count once.");
    out.sample("", "", prefix_count);
    out.family(
        "fairlead_source_prefix_capacity", Type::kGauge, "How many source prefixes there can be.");
    out.sample("", "", shm::kMaxPrefixes);
}

}  // namespace

void write_services(TextWriter& out,
                    daemon::Daemon& daemon,
                    const std::vector<ServiceSeries>& series) {
    const std::vector<model::Service>& services = daemon.model().services();
    std::vector<Row> rows;
    rows.reserve(services.size());
    for (std::size_t i = 0; i < services.size(); ++i) {
        const auto id = daemon.publisher().service_id(services[i].config.name);
        rows.push_back({&services[i],
                        &series[i].labels,
                        id ? daemon.telemetry().service_totals(*id) : Totals{}});
    }
    const publish::Publisher& publisher = daemon.publisher();
    write_family(out,
                 rows,
                 "fairlead_service_up",
                 Type::kGauge,
                 "Whether some backend takes new flows.",
                 [](const Row& row) { return row.service->is_up(); });
    write_states(out, rows);
    write_family(out,
                 rows,
                 "fairlead_service_fail_open",
                 Type::kGauge,
                 "Whether backends serve in spite of their checks, as fewer than min_healthy are "
                 "healthy.",
                 [](const Row& row) { return row.service->fails_open(); });
    write_below_min_healthy(out, rows);
    write_family(out,
                 rows,
                 "fairlead_service_received_packets_total",
                 Type::kCounter,
                 "Packets that arrived for the service.",
                 [](const Row& row) { return row.totals.received_packets; });
    write_family(out,
                 rows,
                 "fairlead_service_received_bytes_total",
                 Type::kCounter,
                 "Bytes of Ethernet frames that arrived for the service.",
                 [](const Row& row) { return row.totals.received_bytes; });
    write_family(out,
                 rows,
                 "fairlead_service_new_flows_total",
                 Type::kCounter,
                 "Flows that began.",
                 [](const Row& row) { return row.totals.new_flows; });
    write_dropped(out, rows);
    write_limits(out, rows, publisher.prefix_count());
    write_family(
        out,
        rows,
        "fairlead_service_maglev_table_hash",
        Type::kGauge,
        "Fingerprint of the lookup table, the same on every balancer with the same "
        "backends and weights; 0 for an empty one.",
        [&publisher](const Row& row) { return publisher.fingerprint(row.service->config.name); });
    write_family(
        out,
        rows,
        "fairlead_service_maglev_moved_entries_total",
        Type::kCounter,
        "Entries of the lookup table that changed their backend since lbd started.",
        [&publisher](const Row& row) { return publisher.moved_entries(row.service->config.name); });
}

}  // namespace fairlead::metrics
