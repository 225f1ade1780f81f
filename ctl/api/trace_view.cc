#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "ctl/api/endpoints.h"
#include "ctl/api/error_response.h"
#include "ctl/api/views.h"
#include "ctl/trace/flows_file.h"
#include "ctl/trace/trace.h"
#include "dp/flow/flow_hash.h"

#include <nlohmann/json.hpp>

namespace fairlead::api {
namespace {

using model::RefusalCode;

std::string_view state_text(FlowState state) {
    const auto index = static_cast<std::size_t>(state);
    return index < kFlowStateNames.size() ? kFlowStateNames[index] : "";
}

Json decider_view(trace::Decider decider) {
    switch (decider) {
        case trace::Decider::kNone:
            return nullptr;
        case trace::Decider::kFlowTable:
            return "flow_table";
        case trace::Decider::kOtherFlowTable:
            return "other_flow_table";
        case trace::Decider::kRing:
            return "ring";
    }
    return nullptr;
}

std::string_view action_text(Action action) {
    switch (action) {
        case Action::kDrop:
            return "drop";
        case Action::kTransmit:
            return "forward";
        case Action::kKernel:
            return "kernel";
        case Action::kHold:
            return "hold";
    }
    return "";
}

std::string_view sentence_of(const Verdict& verdict) {
    switch (verdict.action) {
        case Action::kDrop:
            return text_of(verdict.reason).sentence;
        case Action::kTransmit:
            return "Forwarded to the backend.";
        case Action::kKernel:
            return "Not for a VIP: left to this host's kernel, untouched.";
        case Action::kHold:
            return "A fragment that waits for the first one of its datagram.";
    }
    return "";
}

std::string endpoint_text(const IpAddress& address, std::uint16_t port) {
    return address.is_v4() ? fmt::format("{}:{}", address.text().data(), port)
                           : fmt::format("[{}]:{}", address.text().data(), port);
}

// Numbers of the tables to the names of the model.
class Names {
  public:
    explicit Names(daemon::Daemon& daemon) : daemon_(daemon) {}

    [[nodiscard]] const model::Service* service(ServiceId id) const {
        for (const model::Service& service : daemon_.model().services()) {
            if (daemon_.publisher().service_id(service.config.name) == id) {
                return &service;
            }
        }
        return nullptr;
    }
    // The backend of that service with this index; null where there is none, or none any more.
    [[nodiscard]] const model::Backend* backend(const model::Service* service,
                                                BackendIndex index) const {
        if (service == nullptr) {
            return nullptr;
        }
        for (const model::Backend& backend : service->backends) {
            const auto place =
                daemon_.publisher().placement(service->config.name, backend.name, backend.address);
            if (place && place->index == index) {
                return &backend;
            }
        }
        return nullptr;
    }
    [[nodiscard]] Json backend_name(const model::Service* service, BackendIndex index) const {
        const model::Backend* found = backend(service, index);
        return found == nullptr ? Json(nullptr) : Json(found->name);
    }
    [[nodiscard]] std::string port(PortIndex port) const {
        std::string name = daemon_.publisher().port_name(port);
        return name.empty() ? std::to_string(to_number(port)) : name;
    }

  private:
    daemon::Daemon& daemon_;
};

Json packet_view(const trace::Question& question) {
    const bool is_tcp = question.protocol == kProtocolTcp;
    return {{"protocol", is_tcp ? "tcp" : "udp"},
            {"source", endpoint_text(question.source, question.source_port)},
            {"destination", endpoint_text(question.destination, question.destination_port)},
            {"flags", is_tcp ? Json(trace::flags_text(question.tcp_flags)) : Json(nullptr)}};
}

Json output_view(const trace::Answer& answer, const Names& names) {
    if (answer.verdict.action != Action::kTransmit) {
        return nullptr;
    }
    Json view = {{"port", names.port(answer.verdict.port)},
                 {"destination_mac", answer.destination_mac.text().data()},
                 {"bytes", answer.bytes},
                 {"outer", nullptr}};
    if (answer.outer) {
        view["outer"] = {{"source", answer.outer->source.text().data()},
                         {"destination", answer.outer->destination.text().data()},
                         {"protocol", answer.outer->protocol}};
    }
    return view;
}

// "198.51.100.0/24", or null where the flow chooses the slot.
Json client_view(const trace::RingPlace& place, const IpAddress& source) {
    if (place.source_prefix_bits == 0) {
        return nullptr;
    }
    std::array<std::uint8_t, 16> bytes = source.bytes();
    const unsigned first = source.is_v4() ? 12 : 0;
    for (unsigned i = first; i < bytes.size(); ++i) {
        bytes[i] = fl_masked_byte(bytes[i], i - first, place.source_prefix_bits);
    }
    const IpAddress network =
        source.is_v4()
            ? IpAddress::from_v4(Be32::from_host(std::uint32_t{bytes[12]} << 24U |
                                                 std::uint32_t{bytes[13]} << 16U |
                                                 std::uint32_t{bytes[14]} << 8U | bytes[15]))
            : IpAddress::from_v6(bytes);
    return fmt::format("{}/{}", network.text().data(), place.source_prefix_bits);
}

Json source_view(const std::optional<trace::SourceAnswer>& source) {
    if (!source) {
        return nullptr;
    }
    Json view = {{"denied", source->is_denied}, {"list", nullptr}, {"prefix", nullptr}};
    if (source->match != shm::SourceMatch::kNone) {
        view["list"] = source->match == shm::SourceMatch::kAllow ? "allow" : "deny";
        view["prefix"] =
            fmt::format("{}/{}", source->prefix.address.text().data(), source->prefix.length);
    }
    return view;
}

Json answer_view(daemon::Daemon& daemon,
                 const trace::Answer& answer,
                 const trace::Question& question) {
    const Names names(daemon);
    const Verdict& verdict = answer.verdict;
    const model::Service* service = names.service(verdict.service);
    const model::Backend* backend = names.backend(service, verdict.backend);
    Json flows = Json::array();
    for (const trace::TrackedFlow& flow : answer.flows) {
        flows.push_back({{"worker", to_number(flow.worker)},
                         {"state", state_text(flow.entry.state())},
                         {"backend", names.backend_name(service, flow.entry.backend())},
                         {"seconds_left", flow.seconds_left}});
    }
    Json view = {{"verdict", action_text(verdict.action)},
                 {"reason", nullptr},
                 {"sentence", sentence_of(verdict)},
                 {"service", nullptr},
                 {"source", source_view(answer.source)},
                 {"hash", nullptr},
                 {"flows", std::move(flows)},
                 {"ring", nullptr},
                 {"decided_by", decider_view(answer.decider)},
                 {"backend", nullptr},
                 {"output", output_view(answer, names)}};
    if (verdict.action == Action::kDrop) {
        view["reason"] = text_of(verdict.reason).metric;
    }
    if (service != nullptr) {
        view["service"] = service_view(daemon, *service, false);
        view["hash"] = fmt::format("{:016x}", answer.hash);
    }
    if (answer.ring) {
        view["ring"] = {{"slot", answer.ring->slot},
                        {"entries", answer.ring->entries},
                        {"backend", names.backend_name(service, answer.ring->backend)},
                        {"client", client_view(*answer.ring, question.source)}};
    }
    if (backend != nullptr) {
        view["backend"] = backend_view(daemon, *service, *backend);
    }
    return view;
}

}  // namespace

void get_trace(const Call& call, const Respond& respond) {
    const auto text = [&call](const char* key) {
        const auto found = call.target.query.find(key);
        return found == call.target.query.end() ? std::string_view() : found->second;
    };
    const auto question = trace::parse_question(
        {text("protocol"), text("source"), text("destination"), text("flags")});
    if (!question) {
        respond(error_response(RefusalCode::kBadRequest, question.error().message));
        return;
    }
    const std::string& run_dir = call.daemon.options().run_dir;
    const auto segment = shm::Segment::open_read_only(shm::kTables, run_dir);
    const auto tables = segment ? shm::TablesReader::map(segment->bytes()) : std::nullopt;
    if (!tables) {
        respond(error_response(RefusalCode::kInternal,
                               segment ? run_dir + "/tables is damaged" : segment.error().message));
        return;
    }
    call.daemon.telemetry().refresh();
    const auto flows = trace::FlowsFile::open(run_dir);
    const trace::Answer answer =
        flows ? trace::trace(*tables, flows->tables(), flows->now(), *question)
              : trace::trace(*tables, {}, FlowTick{}, *question);
    Json view = answer_view(call.daemon, answer, *question);
    view["packet"] = packet_view(*question);
    view["engine_up"] = call.daemon.telemetry().engine_lives();
    view["flows_problem"] = flows ? "" : flows.error().message;
    respond({200, to_body(view)});
}

}  // namespace fairlead::api
