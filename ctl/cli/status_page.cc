#include <algorithm>

#include <fmt/format.h>

#include "ctl/cli/json_read.h"
#include "ctl/cli/pages.h"
#include "ctl/cli/table.h"
#include "ctl/cli/units.h"

namespace fairlead::cli {
namespace {

using nlohmann::json;

// Workers that do not forward by the newest generation yet.
std::size_t workers_behind(const json& status) {
    const std::uint64_t newest = number(status, "generation");
    const json& workers = array(object(status, "engine"), "workers");
    return static_cast<std::size_t>(
        std::count_if(workers.begin(), workers.end(), [newest](const json& worker) {
            return number(worker, "acknowledged") < newest;
        }));
}

// What the engine does, and whether that is well.
std::string engine_state(const json& engine, const Look& look) {
    const std::string state = text(engine, "state");
    if (state == "forwarding") {
        return look.paint(Tone::kGood, "forwarding");
    }
    if (state == "stalled") {
        const json& workers = array(engine, "workers");
        const auto stalled = std::count_if(workers.begin(), workers.end(), [](const json& worker) {
            return flag(worker, "stalled");
        });
        return look.paint(Tone::kBad,
                          stalled == 0 ? std::string("its control thread stands still")
                                       : fmt::format("stands still ({} of {})",
                                                     stalled,
                                                     counted(workers.size(), "worker")));
    }
    if (state == "starting") {
        return look.paint(Tone::kBad, "starting, forwards nothing yet");
    }
    return look.paint(Tone::kWarning, "runs, but cannot be read");
}

std::string engine_line(const json& status, const Look& look) {
    const json& engine = object(status, "engine");
    if (!flag(engine, "up")) {
        return look.paint(Tone::kBad, "not running") + ": nothing is forwarded";
    }
    if (text(engine, "state") == "unreadable") {
        return engine_state(engine, look);
    }
    const std::size_t workers = array(engine, "workers").size();
    const std::size_t behind = workers_behind(status);
    const std::string acknowledged =
        behind == 0 ? fmt::format("generation {} acknowledged by {} {}",
                                  number(status, "generation"),
                                  workers == 1 ? "its" : "all",
                                  counted(workers, "worker"))
                    : look.paint(Tone::kWarning,
                                 fmt::format("generation {} not acknowledged by {} of {}",
                                             number(status, "generation"),
                                             behind,
                                             counted(workers, "worker")));
    return fmt::format("{}, pid {}, {}{}",
                       engine_state(engine, look),
                       number(engine, "pid"),
                       acknowledged,
                       flag(engine, "hugepages") ? ", huge pages" : ", no huge pages");
}

std::string services_line(const json& services, const Look& look) {
    const std::uint64_t total = number(services, "total");
    const std::uint64_t up = number(services, "up");
    return look.paint(up == total ? Tone::kGood : Tone::kBad,
                      fmt::format("{} of {} up", up, total));
}

std::string backends_line(const json& backends, const Look& look) {
    const auto part = [&](const char* key, Tone tone) {
        const std::uint64_t count = number(backends, key);
        return look.paint(count == 0 ? Tone::kPlain : tone, fmt::format("{} {}", count, key));
    };
    return fmt::format("{}, {}, {}, of {}",
                       part("serving", Tone::kGood),
                       part("draining", Tone::kWarning),
                       part("out", Tone::kBad),
                       number(backends, "total"));
}

std::string config_line(const json& status, const Look& look, Clock::time_point now) {
    const json& config = object(status, "config");
    std::string line =
        fmt::format("{}, loaded {} ago", text(config, "file"), age(text(config, "loaded"), now));
    if (field(config, "last_reload_ok").is_boolean() && !flag(config, "last_reload_ok")) {
        line += ", " + look.paint(Tone::kBad, "last reload failed");
    }
    return line;
}

std::string worker_table(const json& workers, const Look& look) {
    Table table({{"WORKER", Align::kRight},
                 {"CPU", Align::kRight},
                 {"ACKNOWLEDGED", Align::kRight},
                 {"PACKETS", Align::kRight},
                 {"BUSY", Align::kRight},
                 {"FLOWS", Align::kRight},
                 {"CAPACITY", Align::kRight},
                 {"USED", Align::kRight}});
    for (const json& worker : workers) {
        const double capacity = real(worker, "flow_capacity");
        const double used = capacity > 0 ? real(worker, "flow_entries") * 100 / capacity : 0;
        table.add({{fmt::format("{}", number(worker, "worker"))},
                   {fmt::format("{}", number(worker, "cpu")),
                    flag(worker, "stalled") ? Tone::kBad : Tone::kPlain},
                   {fmt::format("{}", number(worker, "acknowledged"))},
                   {fmt::format("{}", number(worker, "packets"))},
                   {fmt::format("{:.1f} s", real(worker, "busy_seconds"))},
                   {fmt::format("{}", number(worker, "flow_entries"))},
                   {fmt::format("{}", number(worker, "flow_capacity"))},
                   {fmt::format("{:.1f} %", used), used >= 90 ? Tone::kWarning : Tone::kPlain}});
    }
    return table.render(look);
}

// "eth0, native, zero copy"; "-" where no kernel interface stands behind the port.
std::string interface_of(const json& port) {
    std::string words = text(port, "interface");
    if (words.empty()) {
        return "-";
    }
    if (const std::string mode = text(port, "xdp_mode"); !mode.empty()) {
        words += ", " + mode;
    }
    return words + (flag(port, "zero_copy") ? ", zero copy" : "");
}

// "up", or what is wrong: "no_carrier".
Cell link_of(const json& port) {
    std::string wrong;
    for (const json& condition : array(port, "conditions")) {
        if (condition.is_string()) {
            wrong += (wrong.empty() ? "" : ", ") + condition.get<std::string>();
        }
    }
    if (!wrong.empty()) {
        return {wrong, Tone::kBad};
    }
    const bool is_up = flag(port, "up");
    return {is_up ? "up" : "down", is_up ? Tone::kGood : Tone::kBad};
}

std::string port_table(const json& ports, const Look& look) {
    Table table({{"PORT"},
                 {"DRIVER"},
                 {"INTERFACE"},
                 {"LINK"},
                 {"RECEIVED PACKETS", Align::kRight},
                 {"BYTES", Align::kRight},
                 {"MISSED", Align::kRight},
                 {"SENT PACKETS", Align::kRight},
                 {"BYTES", Align::kRight}});
    for (const json& port : ports) {
        const std::uint64_t missed = number(port, "receive_missed_packets");
        const std::uint64_t vlan = number(port, "vlan");
        table.add({{text(port, "name") + (vlan == 0 ? "" : fmt::format(" (VLAN {})", vlan))},
                   {text(port, "driver")},
                   {interface_of(port)},
                   link_of(port),
                   {fmt::format("{}", number(port, "receive_packets"))},
                   {bytes(number(port, "receive_bytes"))},
                   {fmt::format("{}", missed), missed > 0 ? Tone::kWarning : Tone::kPlain},
                   {fmt::format("{}", number(port, "transmit_packets"))},
                   {bytes(number(port, "transmit_bytes"))}});
    }
    return table.render(look);
}

// `key` is "problems", or "critical" for those among them by which packets are lost.
std::vector<std::string> sentences_of(const json& status, const char* key) {
    std::vector<std::string> sentences;
    for (const json& problem : array(status, key)) {
        if (problem.is_string()) {
            sentences.push_back(problem.get<std::string>());
        }
    }
    return sentences;
}

}  // namespace

std::string status_page(const json& status, const Look& look, Clock::time_point now) {
    const json& engine = object(status, "engine");
    Facts facts;
    facts.add("Node",
              fmt::format("{}{}, fairlead {}, lbd pid {}, running for {}",
                          look.paint(Tone::kStrong, text(status, "node")),
                          text(status, "node_admin") == "drain"
                              ? " (" + look.paint(Tone::kWarning, "drained") + ")"
                              : "",
                          text(status, "version"),
                          number(status, "pid"),
                          age(text(status, "started"), now)));
    facts.add("Engine", engine_line(status, look));
    facts.add("Services", services_line(object(status, "services"), look));
    facts.add("Backends", backends_line(object(status, "backends"), look));
    facts.add("Overrides", fmt::format("{}", number(status, "overrides")));
    facts.add("Config", config_line(status, look, now));
    std::string page = facts.render(look);

    if (!array(engine, "workers").empty()) {
        page.append("\n").append(worker_table(array(engine, "workers"), look));
    }
    if (!array(engine, "ports").empty()) {
        page.append("\n").append(port_table(array(engine, "ports"), look));
    }
    const auto problems = sentences_of(status, "problems");
    if (problems.empty()) {
        return page + "\n" + look.paint(Tone::kGood, "No problems.") + "\n";
    }
    page.append("\n").append(look.paint(Tone::kBad, counted(problems.size(), "problem")) + "\n");
    for (const std::string& sentence : problems) {
        page += "  " + sentence + "\n";
    }
    return page;
}

Verdict judge(const json& status) {
    const json& services = object(status, "services");
    const std::uint64_t total = number(services, "total");
    const std::uint64_t up = number(services, "up");
    const auto problems = sentences_of(status, "problems");
    std::string why;
    for (const std::string& sentence : problems) {
        why += (why.empty() ? "" : "; ") + sentence;
    }
    if (!flag(object(status, "engine"), "up")) {
        return {CheckResult::kCritical,
                "CRITICAL: " + (why.empty() ? "the engine is down" : why),
                false};
    }
    if (up < total) {
        return {CheckResult::kCritical,
                fmt::format("CRITICAL: {} of {} up{}",
                            up,
                            counted(total, "service"),
                            why.empty() ? "" : ": " + why),
                false};
    }
    if (const auto critical = sentences_of(status, "critical"); !critical.empty()) {
        // An engine that is starting is ready within a second or two.
        const bool may_pass =
            critical.size() == 1 && text(object(status, "engine"), "state") == "starting";
        return {CheckResult::kCritical, "CRITICAL: " + why, may_pass};
    }
    if (const std::size_t behind = workers_behind(status); why.empty() && behind > 0) {
        return {CheckResult::kWarning,
                fmt::format("WARNING: {} behind generation {}",
                            counted(behind, "worker"),
                            number(status, "generation")),
                true};
    }
    const json& config = object(status, "config");
    const bool is_reload_bad =
        field(config, "last_reload_ok").is_boolean() && !flag(config, "last_reload_ok");
    if (why.empty() && is_reload_bad) {
        why = "the last reload failed: " + text(config, "last_reload_error");
    }
    if (!why.empty()) {
        return {CheckResult::kWarning, "WARNING: " + why, false};
    }
    return {CheckResult::kOk,
            fmt::format("OK: {} up, {} serving, generation {}",
                        counted(up, "service"),
                        counted(number(object(status, "backends"), "serving"), "backend"),
                        number(status, "generation")),
            false};
}

}  // namespace fairlead::cli
