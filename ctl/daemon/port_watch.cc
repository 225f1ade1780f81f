#include "ctl/daemon/port_watch.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "dp/base/log.h"
#include "dp/base/shell_word.h"
#include "dp/shm/port_condition.h"

namespace fairlead::daemon {
namespace {

constexpr std::uint64_t kAllConditions = (std::uint64_t{1} << shm::kPortConditionCount) - 1;
// Behind the engine's own: its link is down, and no condition says why.
constexpr std::size_t kNoLink = shm::kPortConditionCount;
constexpr shm::PortConditionText kNoLinkText{
    "no_link", true, "it has no link: look at the cable, the far side, and lbdp's log"};

template <std::size_t N>
std::string text_in(const std::array<char, N>& field) {
    return {field.data(), ::strnlen(field.data(), N)};
}

const shm::PortConditionText& text_of(std::size_t bit) {
    return bit == kNoLink ? kNoLinkText : shm::kPortConditionTexts.at(bit);
}

bool has(std::uint64_t bits, std::size_t bit) {
    return (bits >> bit & 1U) != 0;
}

bool stops_traffic(std::uint64_t bits) {
    for (std::size_t bit = 0; bit <= kNoLink; ++bit) {
        if (has(bits, bit) && text_of(bit).stops_traffic) {
            return true;
        }
    }
    return false;
}

std::uint64_t bits_of(const shm::PortTelemetry& port) {
    const std::uint64_t told = port.conditions.get() & kAllConditions;
    const bool is_unexplained = port.is_up.get() == 0 && !stops_traffic(told);
    return told | (is_unexplained ? std::uint64_t{1} << kNoLink : 0);
}

std::string sentence(const std::string& port, std::size_t bit, const std::string& name) {
    const std::string interface = shell_word(name);  // it stands in commands
    std::string text = "port " + port + ": " + std::string(text_of(bit).sentence);
    constexpr std::string_view kPlace = "{}";
    for (std::size_t at = text.find(kPlace); at != std::string::npos;
         at = text.find(kPlace, at + interface.size())) {
        text.replace(at, kPlace.size(), interface);
    }
    return text;
}

void log_changes(const std::string& port,
                 std::uint64_t before,
                 std::uint64_t after,
                 const std::string& interface) {
    for (std::size_t bit = 0; bit <= kNoLink; ++bit) {
        if (!has(before, bit) && has(after, bit)) {
            log_warning("port-condition",
                        {{"port", port},
                         {"condition", text_of(bit).metric},
                         {"what", sentence(port, bit, interface)}});
        } else if (has(before, bit) && !has(after, bit)) {
            log_info("port-condition-over", {{"port", port}, {"condition", text_of(bit).metric}});
        }
    }
}

}  // namespace

std::vector<std::string> conditions_of(const shm::PortTelemetry& port) {
    std::vector<std::string> names;
    for (std::size_t bit = 0; bit < shm::kPortConditionCount; ++bit) {
        if (has(port.conditions.get(), bit)) {
            names.emplace_back(text_of(bit).metric);
        }
    }
    return names;
}

bool PortWatch::tells(const std::string& port, shm::PortCondition condition) const {
    const auto found = bits_.find(port);
    return found != bits_.end() && (found->second & bit_of(condition)) != 0;
}

std::vector<std::string> PortWatch::stopped() const {
    std::vector<std::string> names;
    for (const auto& [name, bits] : bits_) {
        if (stops_traffic(bits)) {
            names.push_back(name);
        }
    }
    return names;
}

void PortWatch::look(const shm::TelemetryHeader* header,
                     const std::vector<std::string>& configured) {
    problems_.clear();
    interfaces_.clear();
    const std::size_t count =
        header == nullptr ? 0 : std::min<std::size_t>(header->port_count.load(), shm::kMaxPorts);
    if (count == 0) {  // it is starting, or there is none
        bits_.clear();
        return;
    }
    std::map<std::string, std::uint64_t> now;
    for (std::size_t i = 0; i < count; ++i) {
        now[text_in(header->ports[i].name)] = bits_of(header->ports[i]);
    }
    const bool all_stopped = std::all_of(
        now.begin(), now.end(), [](const auto& port) { return stops_traffic(port.second); });
    for (std::size_t i = 0; i < count; ++i) {
        const shm::PortTelemetry& port = header->ports[i];
        const std::string name = text_in(port.name);
        const std::string interface = text_in(port.interface.get());
        const std::uint64_t bits = now[name];
        interfaces_[name] = {static_cast<int>(port.interface_index.get()), interface};
        log_changes(name, bits_[name], bits, interface);
        for (std::size_t bit = 0; bit <= kNoLink; ++bit) {
            if (has(bits, bit)) {
                problems_.push_back(
                    {sentence(name, bit, interface), all_stopped && text_of(bit).stops_traffic});
            }
        }
        if (std::find(configured.begin(), configured.end(), name) == configured.end()) {
            problems_.push_back({"port " + name +
                                 " is lbdp's alone: lbd has not read it, and what comes by it is "
                                 "for no service; restart the one that was started before [[port]] "
                                 "changed"});
        }
    }
    for (const std::string& name : configured) {
        if (!now.contains(name)) {
            problems_.push_back({"port " + name +
                                 " is lbd's alone: lbdp has not opened it, and what is to leave by "
                                 "it is dropped; restart the one that was started before [[port]] "
                                 "changed"});
        }
    }
    bits_ = std::move(now);
}

}  // namespace fairlead::daemon
