// lbctl trace: where a packet would go, and why.
#include <fmt/format.h>

#include "ctl/cli/commands.h"
#include "ctl/cli/json_read.h"
#include "ctl/cli/pages.h"
#include "ctl/cli/units.h"
#include "ctl/trace/question.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kNoName = "(a backend that is gone)";

std::string name_or(const json& from, std::string_view key) {
    const std::string name = text(from, key);
    return name.empty() ? std::string(kNoName) : name;
}

std::string flow_line(const json& flow) {
    const json& left = field(flow, "seconds_left");
    const std::int64_t seconds = left.is_number_integer() ? left.get<std::int64_t>() : 0;
    const std::string rest =
        seconds < 0 ? "past its time"
                    : duration(std::chrono::seconds(seconds)) + " left without another packet";
    return fmt::format("{} at worker {}, with {}, {}",
                       text(flow, "state"),
                       number(flow, "worker"),
                       name_or(flow, "backend"),
                       rest);
}

std::string decided_by(const json& trace) {
    const std::string decider = text(trace, "decided_by");
    if (decider == "ring") {
        return ", by the ring";
    }
    if (decider == "flow_table") {
        const json& flows = array(trace, "flows");
        return fmt::format(", by the flow table of worker {}",
                           flows.empty() ? 0 : number(flows.front(), "worker"));
    }
    return decider.empty() ? "" : ", by another worker's flow table";
}

// What decided whether the source is served, where the service has lists.
void add_source(Facts& facts, const json& trace) {
    const json& source = object(trace, "source");
    if (source.empty()) {
        return;
    }
    const bool is_denied = flag(source, "denied");
    const std::string prefix = text(source, "prefix");
    const std::string why =
        prefix.empty() ? std::string(is_denied ? "the service has an `allow`, and no prefix in it "
                                                 "or in `deny` contains the source"
                                               : "no prefix in `deny` contains the source")
                       : fmt::format("by {} in `{}`", prefix, text(source, "list"));
    facts.add("Source", fmt::format("{}: {}", is_denied ? "denied" : "allowed", why));
}

void add_service(Facts& facts, const json& trace) {
    const json& service = object(trace, "service");
    if (service.empty()) {
        facts.add("Service", "none");
        return;
    }
    facts.add("Service",
              fmt::format("{}, {} {}, by {}",
                          text(service, "name"),
                          text(service, "vip"),
                          text(service, "protocol"),
                          text(service, "forwarding")));
    add_source(facts, trace);
    if (array(trace, "flows").empty()) {
        const std::string problem = text(trace, "flows_problem");
        facts.add("Flow", problem.empty() ? "not tracked" : "not known: " + problem);
    }
    for (const json& flow : array(trace, "flows")) {
        facts.add("Flow", flow_line(flow));
    }
    const json& ring = object(trace, "ring");
    const std::string client = text(ring, "client");
    facts.add("Ring",
              ring.empty() ? "empty"
                           : fmt::format("slot {} of {}: {}{}",
                                         number(ring, "slot"),
                                         number(ring, "entries"),
                                         name_or(ring, "backend"),
                                         client.empty() ? "" : ", for all of " + client));
}

void add_way_out(Facts& facts, const json& trace) {
    const json& backend = object(trace, "backend");
    if (!backend.empty()) {
        const std::string why = text(backend, "why");
        facts.add("Backend",
                  fmt::format("{}/{} at {}, {} (admin {}, health {}{}){}",
                              text(backend, "service"),
                              text(backend, "name"),
                              text(backend, "address"),
                              text(backend, "effective"),
                              text(backend, "admin"),
                              text(backend, "health"),
                              why.empty() ? "" : ": " + why,
                              decided_by(trace)));
    }
    const json& output = object(trace, "output");
    if (output.empty()) {
        return;
    }
    facts.add("Output",
              fmt::format("port {}, to {}, {}",
                          text(output, "port"),
                          text(output, "destination_mac"),
                          counted(number(output, "bytes"), "byte")));
    const json& outer = object(output, "outer");
    if (!outer.empty()) {
        facts.add("Tunnel",
                  fmt::format("{} to {}, protocol {}",
                              text(outer, "source"),
                              text(outer, "destination"),
                              number(outer, "protocol")));
    }
}

std::string verdict_line(const json& trace, const Look& look) {
    const std::string verdict = text(trace, "verdict");
    if (verdict == "drop") {
        return look.paint(Tone::kBad, "dropped: " + text(trace, "reason")) + ". " +
               text(trace, "sentence");
    }
    return look.paint(verdict == "forward" ? Tone::kGood : Tone::kPlain, text(trace, "sentence"));
}

}  // namespace

std::string trace_page(const json& trace, const Look& look) {
    Facts facts;
    const json& packet = object(trace, "packet");
    const std::string flags = text(packet, "flags");
    facts.add("Packet",
              fmt::format("{} {} to {}{}",
                          text(packet, "protocol"),
                          text(packet, "source"),
                          text(packet, "destination"),
                          flags.empty() ? "" : ", flags " + flags));
    add_service(facts, trace);
    add_way_out(facts, trace);
    facts.add("Verdict", verdict_line(trace, look));
    if (!flag(trace, "engine_up")) {
        facts.add("Engine",
                  look.paint(Tone::kBad, "not running") +
                      ": this is what it would do; until lbdp runs, packets for a VIP are dropped");
    }
    return facts.render(look);
}

Outcome<ExitCode> run_trace(const Context& context) {
    const TraceWords& words = context.command.trace;
    const auto question =
        trace::parse_question({words.protocol, words.source, words.destination, words.flags});
    if (!question) {
        return failure(ExitCode::kUsage, question.error().message);
    }
    const auto answer = context.daemon.get(
        fmt::format("/api/v1/trace?protocol={}&source={}&destination={}&flags={}",
                    percent_encode(words.protocol),
                    percent_encode(words.source),
                    percent_encode(words.destination),
                    percent_encode(words.flags)));
    if (!answer) {
        return Unexpected<Failure>{answer.error()};
    }
    if (context.is_json()) {
        context.out << json_text(*answer, 2) << "\n";
    } else {
        context.out << trace_page(*answer, context.out_look);
    }
    return ExitCode::kDone;
}

}  // namespace fairlead::cli
