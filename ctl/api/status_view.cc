#include <algorithm>

#include <unistd.h>

#include "ctl/api/views.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

Json worker_view(std::size_t index, const shm::WorkerBlock& worker, bool is_stalled) {
    return {{"worker", index},
            {"cpu", worker.cpu.get()},
            {"stalled", is_stalled},
            {"acknowledged", worker.acknowledged.load(std::memory_order_relaxed)},
            {"packets", worker.packets.get()},
            {"busy_seconds", static_cast<double>(worker.busy_ns.get()) / 1e9},
            {"flow_entries", worker.flow_entries.get()},
            {"flow_capacity", worker.flow_capacity.get()}};
}

// 0: the port is untagged. As configured when this daemon started: a change needs a restart.
std::uint16_t vlan_of_port(const conf::Config& config, std::string_view name) {
    const auto found = std::ranges::find(config.ports, name, &conf::PortConfig::name);
    return found == config.ports.end() ? std::uint16_t{0} : found->vlan;
}

Json xdp_mode_of(const shm::PortTelemetry& port) {
    const std::uint64_t mode = port.xdp_mode.get();
    return mode == static_cast<std::uint64_t>(shm::PortXdpMode::kNative)    ? Json("native")
           : mode == static_cast<std::uint64_t>(shm::PortXdpMode::kGeneric) ? Json("generic")
                                                                            : Json(nullptr);
}

Json port_view(const shm::PortTelemetry& port, const conf::Config& config) {
    const std::string interface = text_in(port.interface.get());
    return {{"name", text_in(port.name)},
            {"driver", text_in(port.driver)},
            {"vlan", vlan_of_port(config, text_in(port.name))},
            {"up", port.is_up.get() != 0},
            {"conditions", daemon::conditions_of(port)},
            {"interface", interface.empty() ? Json(nullptr) : Json(interface)},
            {"interface_index", port.interface_index.get()},
            {"mtu_bytes", port.mtu_bytes.get()},
            {"mtu_limit_bytes", port.mtu_limit_bytes.get()},
            {"receive_queues", port.receive_queues.get()},
            {"xdp_mode", xdp_mode_of(port)},
            {"zero_copy", port.is_zero_copy.get() != 0},
            {"opens", port.opens.get()},
            {"receive_packets", port.receive_packets.get()},
            {"receive_bytes", port.receive_bytes.get()},
            {"receive_missed_packets", port.receive_missed_packets.get()},
            {"receive_dropped_packets", port.receive_dropped.get()},
            {"receive_ring_full_packets", port.receive_ring_full.get()},
            {"receive_invalid_buffers", port.receive_invalid.get()},
            {"receive_errors", port.receive_errors.get()},
            {"transmit_packets", port.transmit_packets.get()},
            {"transmit_bytes", port.transmit_bytes.get()},
            {"transmit_errors", port.transmit_errors.get()},
            {"transmit_invalid_packets", port.transmit_invalid.get()}};
}

Json tunnel_source(const IpAddress& source) {
    return source == IpAddress{} ? Json(nullptr) : Json(source.text().data());
}

// Where the tunnels of each port come from.
Json tunnel_sources_view(const daemon::Daemon& daemon) {
    Json list = Json::array();
    const auto& names = daemon.model().config().ports;
    const std::vector<publish::DesiredPort>& ports = daemon.neighbors().ports();
    for (std::size_t i = 0; i < std::min(names.size(), ports.size()); ++i) {
        list.push_back({{"port", names[i].name},
                        {"v4", tunnel_source(ports[i].tunnel_source_v4)},
                        {"v6", tunnel_source(ports[i].tunnel_source_v6)}});
    }
    return list;
}

// Of virtual routers, where a port takes frames to them.
Json virtual_macs_view(const daemon::Daemon& daemon) {
    Json list = Json::array();
    for (const publish::DesiredPort& port : daemon.neighbors().ports()) {
        for (unsigned number = 0; number < VirtualMacs::kCount; ++number) {
            if (const MacAddress mac = VirtualMacs::mac_of(number); port.virtual_macs.has(mac)) {
                list.push_back({{"port", port.name}, {"mac", mac.text().data()}});
            }
        }
    }
    return list;
}

struct Totals {
    std::size_t services = 0;  // without those that the file has lost: they are meant to go
    std::size_t services_up = 0;
    std::size_t backends = 0;
    std::size_t serving = 0;
    std::size_t draining = 0;
    std::size_t out = 0;
};

Totals count(const std::vector<model::Service>& services) {
    Totals totals;
    for (const model::Service& service : services) {
        totals.services += service.is_removing ? 0U : 1U;
        totals.services_up += service.is_up() ? 1U : 0U;
        for (const model::Backend& backend : service.backends) {
            if (backend.stands_by()) {
                continue;
            }
            ++totals.backends;
            totals.serving += backend.effective == model::Effective::kServing ? 1U : 0U;
            totals.draining += backend.effective == model::Effective::kDraining ? 1U : 0U;
            totals.out += backend.effective == model::Effective::kOut ? 1U : 0U;
        }
    }
    return totals;
}

std::string engine_version(daemon::Daemon& daemon) {
    daemon.telemetry().refresh();
    const shm::TelemetryHeader* header = daemon.telemetry().header();
    return header == nullptr ? "" : text_in(header->version);
}

}  // namespace

Json engine_view(daemon::Daemon& daemon) {
    publish::TelemetryView& telemetry = daemon.telemetry();
    const daemon::EngineWatch& watch = daemon.look_at_engine();
    const bool is_up = watch.state() != daemon::EngineState::kDown;
    const shm::TelemetryHeader* header = telemetry.header();
    Json view = {{"up", is_up},
                 {"state", daemon::to_text(watch.state())},
                 {"pid", nullptr},
                 {"version", nullptr},
                 {"started", nullptr},
                 {"hugepages", nullptr},
                 {"counts_flows", false},
                 {"searches_old_flows", false},
                 {"generation", nullptr},
                 {"workers", Json::array()},
                 {"ports", Json::array()}};
    if (!is_up || header == nullptr) {
        return view;
    }
    const auto started = model::Time(std::chrono::nanoseconds(header->started_ns.load()));
    view["pid"] = header->pid.load();
    view["version"] = engine_version(daemon);
    view["started"] = model::rfc3339(started);
    view["counts_flows"] = telemetry.counts_flows();
    view["searches_old_flows"] = header->searches_old_flows.load() != 0;
    view["hugepages"] = header->uses_hugepages.load() != 0;
    std::size_t index = 0;
    std::uint64_t lowest = UINT64_MAX;
    for (const shm::WorkerBlock& worker : telemetry.workers()) {
        view["workers"].push_back(worker_view(index, worker, watch.is_worker_stalled(index)));
        ++index;
        lowest = std::min(lowest, worker.acknowledged.load(std::memory_order_relaxed));
    }
    if (lowest != UINT64_MAX) {
        view["generation"] = lowest;
    }
    const std::size_t ports = std::min<std::size_t>(header->port_count.load(), shm::kMaxPorts);
    for (std::size_t i = 0; i < ports; ++i) {
        view["ports"].push_back(port_view(header->ports[i], daemon.model().config()));
    }
    return view;
}

Json status_view(daemon::Daemon& daemon) {
    const model::Model& model = daemon.model();
    const daemon::ReloadState& reload = daemon.reload_state();
    const Totals totals = count(model.services());
    Json problems = Json::array();
    Json critical = Json::array();
    for (const daemon::Problem& problem : daemon.problems()) {
        problems.push_back(problem.sentence);
        if (problem.is_critical) {
            critical.push_back(problem.sentence);
        }
    }
    return {{"node", model.config().node.name},
            {"node_admin", to_text(model.node() ? model.node()->value : model::Admin::kReady)},
            {"version", daemon.options().version},
            {"pid", ::getpid()},
            {"started", model::rfc3339(daemon.started())},
            {"generation", daemon.publisher().generation()},
            {"config",
             {{"file", daemon.options().config},
              {"loaded", model::rfc3339(reload.loaded)},
              {"last_reload_ok", reload.last_is_ok},
              {"last_reload_error", reload.last_error}}},
            {"engine", engine_view(daemon)},
            {"services", {{"total", totals.services}, {"up", totals.services_up}}},
            {"backends",
             {{"total", totals.backends},
              {"serving", totals.serving},
              {"draining", totals.draining},
              {"out", totals.out}}},
            {"tunnel_sources", tunnel_sources_view(daemon)},
            {"virtual_macs", virtual_macs_view(daemon)},
            {"overrides", model::count(model.overrides()).total()},
            {"problems", std::move(problems)},
            {"critical", std::move(critical)}};
}

Json version_view(daemon::Daemon& daemon) {
    const std::string engine = engine_version(daemon);
    return {{"version", daemon.options().version},
            {"engine_version", engine.empty() ? Json(nullptr) : Json(engine)}};
}

}  // namespace fairlead::api
