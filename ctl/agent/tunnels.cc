#include "ctl/agent/tunnels.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "bpf/loader/clamp_loader.h"
#include "dp/base/log.h"

namespace fairlead::agent {
namespace {

decap_address to_key(const IpAddress& address) {
    decap_address key{};
    key.family = address.is_v4() ? DECAP_IPV4 : DECAP_IPV6;
    const std::size_t skipped = address.is_v4() ? 12 : 0;
    std::memcpy(&key.bytes, address.bytes().data() + skipped, address.bytes().size() - skipped);
    return key;
}

std::string text_of(const decap_address& key) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &key.bytes, bytes.size());
    if (key.family == DECAP_IPV6) {
        return IpAddress::from_v6(bytes).text().data();
    }
    std::uint32_t raw = 0;
    std::memcpy(&raw, bytes.data(), sizeof raw);
    return IpAddress::from_v4(Be32::from_raw(raw)).text().data();
}

std::vector<decap_address> to_keys(const std::vector<IpAddress>& addresses) {
    std::vector<decap_address> keys;
    keys.reserve(addresses.size());
    for (const IpAddress& address : addresses) {
        keys.push_back(to_key(address));
    }
    return keys;
}

std::string_view text_of(XdpMode mode) {
    switch (mode) {
        case XdpMode::kNative:
            return "native";
        case XdpMode::kGeneric:
            return "generic";
        case XdpMode::kReplaced:
            return "replaced";
    }
    return "";
}

Result<DecapLoader> start_decap(const Settings& settings,
                                const std::vector<IpAddress>& endpoints,
                                unsigned interface_index,
                                const std::string& pin_directory) {
    DecapTables tables;
    tables.vips = to_keys(settings.vips);
    tables.endpoints = to_keys(endpoints);
    for (const AddressPrefix& balancer : settings.balancers) {
        tables.balancers.push_back(
            {DECAP_FAMILY_BITS + balancer.prefix_bits, to_key(balancer.address)});
    }
    Result<DecapLoader> loader = DecapLoader::load(tables, pin_directory, settings.interface_name);
    if (!loader) {
        return loader;
    }
    const Result<XdpMode> mode = loader->attach(interface_index);
    if (!mode) {
        return Unexpected{mode.error()};
    }
    log_info("tunnels-accepted",
             {{"interface", settings.interface_name},
              {"mode", text_of(*mode)},
              {"balancers", settings.balancers.size()},
              {"endpoints", endpoints.size()}});
    return loader;
}

void tell(WatchReport& report, const std::string& what, const Result<bool>& mended) {
    if (!mended) {
        report.problem(what, mended.error().message);
        return;
    }
    report.no_problem(what);
    if (*mended) {
        report.mended(what, "was taken off or its pin was, is attached and pinned");
    }
}

}  // namespace

Result<Tunnels> Tunnels::start(const Settings& settings,
                               const std::vector<IpAddress>& endpoints,
                               unsigned interface_index,
                               const std::string& pin_directory) {
    Result<DecapLoader> decap = start_decap(settings, endpoints, interface_index, pin_directory);
    if (!decap) {
        return fail(decap.error().message);
    }
    Result<MssClamp> clamp =
        MssClamp::start(settings, interface_index, to_keys(settings.vips), pin_directory);
    if (!clamp) {
        return fail(clamp.error().message);
    }
    const Result<DecapCounters> before = decap->counters();
    return Tunnels(std::move(*decap), std::move(*clamp), before ? *before : DecapCounters{});
}

Status Tunnels::set_endpoints(const std::vector<IpAddress>& endpoints) {
    return decap_.set_endpoints(to_keys(endpoints));
}

void Tunnels::mend(WatchReport& report) {
    tell(report, "tunnel program", decap_.mend());
    tell(report, "mss program", clamp_.mend());
}

void Tunnels::report_drops() {
    const Result<DecapCounters> counters = decap_.counters();
    if (!counters) {
        return;
    }
    for (const DropReport::Line& line : drops_.observe(*counters, DropReport::Clock::now())) {
        const DecapOutcomeText text = decap_outcome_text(line.reason);
        if (const auto source = decap_.refused_source();
            line.reason == DECAP_SOURCE_NOT_ALLOWED && source) {
            log_warning("tunnel-dropped",
                        {{"reason", text.name},
                         {"packets", line.packets},
                         {"total", line.total},
                         {"last_source", text_of(*source)},
                         {"meaning", text.meaning}});
            continue;
        }
        log_warning("tunnel-dropped",
                    {{"reason", text.name},
                     {"packets", line.packets},
                     {"total", line.total},
                     {"meaning", text.meaning}});
    }
}

void Tunnels::log_counters() const {
    const Result<DecapCounters> counters = decap_.counters();
    if (!counters) {
        return;
    }
    for (std::size_t index = 0; index < counters->size(); ++index) {
        log_info("tunnel-packets",
                 {{"outcome", decap_outcome_text(static_cast<decap_outcome>(index)).name},
                  {"packets", counters->at(index)}});
    }
    clamp_.log_counters();
}

void remove_other_tunnel_pins(const std::string& interface_name, const std::string& pin_directory) {
    const std::span<const std::string> kept(&interface_name, interface_name.empty() ? 0 : 1);
    if (remove_other_decap_pins(pin_directory, kept) > 0) {
        log_info("tunnels-removed", {{"pins", pin_directory}});
    }
    remove_other_clamp_pins(pin_directory, kept);
}

}  // namespace fairlead::agent
