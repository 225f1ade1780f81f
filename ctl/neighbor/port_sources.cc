#include "ctl/neighbor/port_sources.h"

#include <algorithm>

#include "dp/base/log.h"

namespace fairlead::neighbor {

namespace {

// An operator who looks once an hour sees it.
constexpr std::chrono::hours kToldFor{1};

[[nodiscard]] std::string text_of(const IpAddress& address) {
    return address.text().data();
}

[[nodiscard]] bool is_configured(const conf::PortConfig& config, bool is_v4) {
    return std::any_of(config.tunnel_sources.begin(),
                       config.tunnel_sources.end(),
                       [&](const IpAddress& address) { return address.is_v4() == is_v4; });
}

}  // namespace

void PortSources::keep(std::size_t port, const IpAddress& source) {
    Family& family = ports_.at(port).at(source.is_v4() ? 0 : 1);
    family.source.keep(source);
    family.told = source;
}

void PortSources::add(const Vote& vote) {
    ports_.at(vote.port).at(vote.is_v4 ? 0 : 1).source.add(vote.vote);
}

void PortSources::remove(const Vote& vote) {
    ports_.at(vote.port).at(vote.is_v4 ? 0 : 1).source.remove(vote.vote);
}

void PortSources::choose(std::size_t port,
                         const conf::PortConfig& config,
                         publish::DesiredPort& desired,
                         const std::function<bool(const IpAddress&)>& is_ours,
                         Clock::time_point now) {
    for (const bool is_v4 : {true, false}) {
        Family& family = ports_.at(port).at(is_v4 ? 0 : 1);
        IpAddress& source = is_v4 ? desired.tunnel_source_v4 : desired.tunnel_source_v6;
        if (!is_configured(config, is_v4)) {
            source = family.source.choose(source, is_ours);
        }
        if (source == IpAddress{} || source == family.told) {
            continue;
        }
        if (family.told != IpAddress{}) {
            log_warning("tunnel-source-changed",
                        {{"port", config.name},
                         {"from", family.told.text().data()},
                         {"to", source.text().data()},
                         {"fix", "let the backends take tunnels from it, or set tunnel_source"}});
            family.former = family.told;
            family.changed = now;
        }
        family.told = source;
    }
}

std::vector<std::string> PortSources::problems(std::size_t port,
                                               const conf::PortConfig& config,
                                               Clock::time_point now) const {
    std::vector<std::string> result;
    for (const bool is_v4 : {true, false}) {
        const Family& family = ports_.at(port).at(is_v4 ? 0 : 1);
        if (is_configured(config, is_v4)) {
            continue;
        }
        if (family.former != IpAddress{} && now - family.changed < kToldFor) {
            const auto minutes =
                std::chrono::duration_cast<std::chrono::minutes>(now - family.changed).count();
            result.push_back("port " + config.name + ": tunnels come from " + text_of(family.told) +
                             ", since " + std::to_string(minutes) + " minutes, and came from " +
                             text_of(family.former) +
                             " before: backends must take them from there (`lbagent --balancer`); "
                             "tunnel_source in [[port]] keeps one");
        }
        if (const auto other = family.source.other()) {
            result.push_back("port " + config.name + ": routes to " +
                             std::to_string(other->backends) + " backends name the source " +
                             text_of(other->source) + ", and the port's tunnels all come from " +
                             text_of(family.told) +
                             ": set tunnel_source in [[port]], or one `src` in those routes");
        }
    }
    return result;
}

}  // namespace fairlead::neighbor
