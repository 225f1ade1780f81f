#include "ctl/daemon/traffic_watch.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace fairlead::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kDropsEvery = 1s;
// What was dropped before an engine opened its sockets is in the counters soon after it did.
constexpr auto kSocketsSettle = 2s;

std::map<std::string, DropWatch::Totals> drops_of_services(const publish::TelemetryView& telemetry,
                                                           const publish::Publisher& publisher,
                                                           const model::Model& model) {
    std::map<std::string, DropWatch::Totals> result;
    for (const model::Service& service : model.services()) {
        if (const auto id = publisher.service_id(service.config.name)) {
            result.emplace(service.config.name, telemetry.service_totals(*id).dropped);
        }
    }
    return result;
}

}  // namespace

void TrafficWatch::look(publish::TelemetryView& telemetry,
                        const publish::Publisher& publisher,
                        const model::Model& model,
                        Clock::time_point now) {
    telemetry.refresh();
    const bool lives = telemetry.engine_lives();
    const shm::TelemetryHeader* const header = telemetry.header();
    engine_.look(lives, header, telemetry.workers(), now);
    if (engine_.state() != EngineState::kForwarding) {
        forwarding_since_.reset();
    } else if (!forwarding_since_) {
        forwarding_since_ = now;
    }
    const bool has_ports = lives && header != nullptr && engine_.state() != EngineState::kStarting;
    std::vector<std::string> names;
    for (const conf::PortConfig& port : model.config().ports) {
        names.push_back(port.name);
    }
    ports_.look(has_ports ? header : nullptr, names);
    if (header != nullptr && (!looked_at_drops_ || now - *looked_at_drops_ >= kDropsEvery)) {
        looked_at_drops_ = now;
        look_at_drops(telemetry, publisher, model, now);
    }
}

void TrafficWatch::look_at_drops(const publish::TelemetryView& telemetry,
                                 const publish::Publisher& publisher,
                                 const model::Model& model,
                                 Clock::time_point now) {
    DropWatch::Reading reading{
        .dropped = telemetry.dropped(),
        .of_services = [&] { return drops_of_services(telemetry, publisher, model); },
        .is_new_list = std::exchange(known_shape_, model.shape()) != model.shape(),
        .no_socket = {}};
    if (forwarding_since_ && now - *forwarding_since_ >= kSocketsSettle) {
        const shm::TelemetryHeader& header = *telemetry.header();
        const std::size_t count = std::min<std::size_t>(header.port_count.load(), shm::kMaxPorts);
        for (const shm::PortTelemetry& port : std::span(header.ports).first(count)) {
            const std::string name(port.name.data(), ::strnlen(port.name.data(), port.name.size()));
            reading.no_socket[name] = port.no_socket_packets.get();
        }
    }
    drops_.look(reading, now);
}

std::vector<Problem> TrafficWatch::problems(Clock::time_point now, bool is_waiting_told) const {
    std::vector<Problem> problems;
    if (!is_waiting_told || engine_.state() != EngineState::kStarting) {
        problems = engine_.problems();
    }
    problems.insert(problems.end(), ports_.problems().begin(), ports_.problems().end());
    const std::vector<Problem> of_drops = drops_.problems(now);
    problems.insert(problems.end(), of_drops.begin(), of_drops.end());
    return problems;
}

}  // namespace fairlead::daemon
