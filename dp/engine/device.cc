#include "dp/engine/device.h"

#include <algorithm>

#include <fmt/format.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "dp/base/error_text.h"

namespace fairlead::engine {
namespace {

// Devices lower it to what they can.
constexpr std::uint16_t kRingEntries = 2'048;
constexpr auto kAnySocket = static_cast<unsigned>(SOCKET_ID_ANY);

rte_eth_conf configuration_for(const rte_eth_dev_info& info, std::size_t queues) {
    rte_eth_conf configuration{};
    const std::uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP;
    if (queues > 1 && (info.flow_type_rss_offloads & wanted) != 0) {
        configuration.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        configuration.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & wanted;
    }
    return configuration;
}

Status failed(const std::string& name, std::string_view what, int error) {
    return fail(fmt::format("port {}: {}: {}; DPDK's own words stand above",
                            name,
                            what,
                            error_text(error < 0 ? -error : error)));
}

Status check_queues(const std::string& name, const rte_eth_dev_info& info, std::size_t workers) {
    const std::size_t queues = std::min(info.max_rx_queues, info.max_tx_queues);
    if (queues < workers) {
        return fail(
            fmt::format("port {}: its device {} has {} queue pairs and there are {} workers, "
                        "one a CPU; name fewer CPUs in [engine] cpus, or give the device "
                        "more queues",
                        name,
                        info.driver_name,
                        queues,
                        workers));
    }
    return {};
}

}  // namespace

Result<std::uint16_t> make_device(const std::string& arguments) {
    const std::string name = arguments.substr(0, arguments.find(','));
    const int error = rte_dev_probe(arguments.c_str());
    std::uint16_t device = 0;
    if (error != 0 || rte_eth_dev_get_port_by_name(name.c_str(), &device) != 0) {
        return fail(
            fmt::format("DPDK makes no device of \"{}\": {}; its own words stand above. "
                        "lbdp has its drivers net_af_packet, net_null, net_pcap, net_ring "
                        "and net_tap",
                        arguments,
                        error_text(error == 0 ? ENODEV : -error)));
    }
    return device;
}

Status start_device(std::uint16_t device,
                    const std::string& name,
                    std::span<const PacketPool> pools) {
    rte_eth_dev_info info{};
    if (const int error = rte_eth_dev_info_get(device, &info); error != 0) {
        return failed(name, "DPDK cannot describe its device", error);
    }
    if (Status enough = check_queues(name, info, pools.size()); !enough) {
        return enough;
    }
    const rte_eth_conf configuration = configuration_for(info, pools.size());
    const auto queues = static_cast<std::uint16_t>(pools.size());
    std::uint16_t receive_entries = kRingEntries;
    std::uint16_t transmit_entries = kRingEntries;
    int error = rte_eth_dev_configure(device, queues, queues, &configuration);
    if (error == 0) {
        error = rte_eth_dev_adjust_nb_rx_tx_desc(device, &receive_entries, &transmit_entries);
    }
    if (error != 0) {
        return failed(name, "its device refuses its configuration", error);
    }
    for (std::uint16_t queue = 0; queue < queues; ++queue) {
        error = rte_eth_rx_queue_setup(
            device, queue, receive_entries, kAnySocket, nullptr, pools[queue].pool);
        if (error == 0) {
            error = rte_eth_tx_queue_setup(device, queue, transmit_entries, kAnySocket, nullptr);
        }
        if (error != 0) {
            return failed(name, fmt::format("its queue {} cannot be opened", queue), error);
        }
    }
    if (error = rte_eth_dev_start(device); error != 0) {
        return failed(name, "its device does not start", error);
    }
    return {};
}

}  // namespace fairlead::engine
