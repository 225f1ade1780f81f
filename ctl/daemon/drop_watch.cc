#include "ctl/daemon/drop_watch.h"

#include <algorithm>

#include <fmt/format.h>

namespace fairlead::daemon {
namespace {

constexpr std::size_t kMostNames = 5;

// "portal (12), api (3) and 2 more", the most first.
std::string names_in(const std::map<std::string, std::uint64_t>& counts) {
    std::vector<std::pair<std::string, std::uint64_t>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
        return a.second > b.second;
    });
    std::string text;
    for (std::size_t i = 0; i < std::min(sorted.size(), kMostNames); ++i) {
        text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", sorted[i].first, sorted[i].second);
    }
    if (sorted.size() > kMostNames) {
        text += fmt::format(" and {} more", sorted.size() - kMostNames);
    }
    return text;
}

std::uint64_t rise(std::uint64_t before, std::uint64_t after) {
    return after > before ? after - before : 0;  // less: the counters began anew
}

}  // namespace

void DropWatch::Rise::add(std::uint64_t more, Clock::time_point now) {
    if (more == 0) {
        return;
    }
    if (!is_told(now)) {
        packets = 0;
        services.clear();
    }
    packets += more;
    last = now;
}

void DropWatch::look(const Reading& reading, Clock::time_point now) {
    if (!totals_ || reading.is_new_list) {
        know_services(reading.of_services());
    }
    if (totals_) {
        bool has_risen = false;
        for (std::size_t i = 0; i < kReasons.size(); ++i) {
            const auto reason = static_cast<std::size_t>(kReasons[i]);
            const std::uint64_t more = rise((*totals_)[reason], reading.dropped[reason]);
            rises_[i].add(more, now);
            has_risen = has_risen || more > 0;
        }
        if (has_risen) {
            look_at_services(reading.of_services(), now);
        }
    }
    totals_ = reading.dropped;
    for (const auto& [port, packets] : reading.no_socket) {
        const auto before = no_socket_.find(port);
        if (before != no_socket_.end()) {
            no_socket_rises_[port].add(rise(before->second, packets), now);
        }
    }
    no_socket_ = reading.no_socket;
}

void DropWatch::know_services(std::map<std::string, Totals> services) {
    for (auto& [name, totals] : services) {
        const auto known = service_totals_.find(name);
        if (known != service_totals_.end()) {
            totals = known->second;
        }
    }
    service_totals_ = std::move(services);
}

void DropWatch::look_at_services(const std::map<std::string, Totals>& services,
                                 Clock::time_point now) {
    for (const auto& [name, totals] : services) {
        const auto before = service_totals_.find(name);
        if (before == service_totals_.end()) {
            continue;  // new here: whose the count was before is not known
        }
        for (std::size_t i = 0; i < kReasons.size(); ++i) {
            const auto reason = static_cast<std::size_t>(kReasons[i]);
            const std::uint64_t more = rise(before->second[reason], totals[reason]);
            if (more > 0 && rises_[i].is_told(now)) {
                rises_[i].services[name] += more;
            }
        }
    }
    service_totals_ = services;
}

std::vector<Problem> DropWatch::problems(Clock::time_point now) const {
    std::vector<Problem> problems;
    for (std::size_t i = 0; i < kReasons.size(); ++i) {
        const Rise& rise = rises_[i];
        if (!rise.is_told(now)) {
            continue;
        }
        const DropReasonText& text = text_of(kReasons[i]);
        const std::string services = names_in(rise.services);
        problems.push_back({fmt::format("packets{} are dropped ({}, {} so far): {}",
                                        services.empty() ? std::string() : " of " + services,
                                        text.metric,
                                        rise.packets,
                                        text.sentence)});
    }
    for (const auto& [port, rise] : no_socket_rises_) {
        if (rise.is_told(now)) {
            problems.push_back(
                {fmt::format("port {}: packets for VIPs are dropped although the engine runs "
                             "(no_socket, {} so far): they come by a receive queue that no worker "
                             "polls; give the interface as many queues as [engine] has cpus, by "
                             "`ethtool -L`",
                             port,
                             rise.packets)});
        }
    }
    return problems;
}

}  // namespace fairlead::daemon
