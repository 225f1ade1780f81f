#include "dp/engine/vdev_port.h"

#include <fmt/format.h>

#include <rte_ethdev.h>

#include "dp/engine/device.h"

namespace fairlead::engine {

Result<std::unique_ptr<Port>> VdevPort::open(const PortOptions& options, const PortSetup& setup) {
    const Result<std::uint16_t> device = make_device(options.vdev);
    if (!device) {
        return fail(fmt::format("port {}: {}", options.name, device.error().message));
    }
    if (Status started = start_device(*device, options.name, setup.pools); !started) {
        return Unexpected{started.error()};
    }
    // So that neighbor solicitations for VIPs get in; a device without such a filter refuses.
    (void)rte_eth_allmulticast_enable(*device);
    std::unique_ptr<VdevPort> port(new VdevPort(options, *device));
    for (std::uint16_t worker = 0; worker < setup.pools.size(); ++worker) {
        port->worker_ports_.emplace_back(*device, worker);
    }
    return std::unique_ptr<Port>(std::move(port));
}

VdevPort::VdevPort(const PortOptions& options, std::uint16_t device)
    : Port(options), device_(device) {}

Port::Readings VdevPort::read() const {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(device_, &stats) != 0) {
        return {};
    }
    return {.receive_packets = stats.ipackets,
            .receive_bytes = stats.ibytes,
            .receive_missed = stats.imissed + stats.rx_nombuf,
            .receive_errors = stats.ierrors,
            .transmit_packets = stats.opackets,
            .transmit_bytes = stats.obytes,
            .transmit_errors = stats.oerrors,
            .losses = {}};
}

bool VdevPort::has_link() const {
    rte_eth_link link{};
    return rte_eth_link_get_nowait(device_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

std::string VdevPort::driver() const {
    rte_eth_dev_info info{};
    return rte_eth_dev_info_get(device_, &info) == 0 ? info.driver_name : "";
}

void VdevPort::close() {
    if (is_open_) {
        (void)rte_eth_dev_stop(device_);
        (void)rte_eth_dev_close(device_);
        is_open_ = false;
    }
}

}  // namespace fairlead::engine
