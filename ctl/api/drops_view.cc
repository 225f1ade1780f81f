#include <array>

#include "ctl/api/views.h"
#include "dp/shm/drop_reason.h"
#include "dp/shm/port_loss.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

Json drop_view(std::string_view where, const DropReasonText& text, std::uint64_t packets) {
    return {{"reason", text.metric},
            {"where", where},
            {"packets", packets},
            {"sentence", text.sentence},
            {"services", Json::object()},
            {"ports", Json::object()}};
}

// What the workers dropped, by reason; each service's own share of it beside it.
Json engine_drops(daemon::Daemon& daemon) {
    const auto all = daemon.telemetry().dropped();
    Json drops = Json::array();
    for (std::size_t reason = 1; reason < kDropReasonCount; ++reason) {
        drops.push_back(drop_view("engine", kDropReasonTexts[reason], all[reason]));
    }
    for (const model::Service& service : daemon.model().services()) {
        const std::string& name = service.config.name;
        const auto id = daemon.publisher().service_id(name);
        if (!id) {
            continue;
        }
        const auto totals = daemon.telemetry().service_totals(*id);
        for (std::size_t reason = 1; reason < kDropReasonCount; ++reason) {
            if (totals.dropped[reason] > 0) {
                drops[reason - 1]["services"][name] = totals.dropped[reason];
            }
        }
    }
    return drops;
}

// What was lost before a worker saw it, by port.
void add_port_losses(daemon::Daemon& daemon, Json& drops) {
    const shm::TelemetryHeader* header = daemon.telemetry().header();
    for (const shm::PortLoss& loss : shm::kPortLosses) {
        Json view = drop_view("port", loss.text, 0);
        std::uint64_t sum = 0;
        const std::size_t ports =
            header == nullptr ? 0
                              : std::min<std::size_t>(header->port_count.load(), shm::kMaxPorts);
        for (std::size_t i = 0; i < ports; ++i) {
            const shm::PortTelemetry& port = header->ports[i];
            const std::uint64_t packets = (port.*loss.counter).get();
            if (packets > 0) {
                view["ports"][text_in(port.name)] = packets;
                sum += packets;
            }
        }
        view["packets"] = sum;
        drops.push_back(std::move(view));
    }
}

}  // namespace

Json drops_view(daemon::Daemon& daemon, const model::Service* only) {
    daemon.telemetry().refresh();
    Json drops = engine_drops(daemon);
    if (only == nullptr) {
        add_port_losses(daemon, drops);
    } else {
        for (Json& drop : drops) {
            const std::uint64_t own = drop["services"].value(only->config.name, std::uint64_t{0});
            drop["packets"] = own;
            drop["services"] = Json::object();
            if (own > 0) {
                drop["services"][only->config.name] = own;
            }
        }
    }
    return {{"engine_up", daemon.telemetry().engine_lives()},
            {"service", only == nullptr ? Json(nullptr) : Json(only->config.name)},
            {"drops", std::move(drops)}};
}

}  // namespace fairlead::api
