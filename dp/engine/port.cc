#include "dp/engine/port.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "dp/engine/interface_port.h"
#include "dp/engine/vdev_port.h"

namespace fairlead::engine {
namespace {

template <std::size_t size>
void copy_text(std::string_view text, std::array<char, size>& to) {
    to.fill('\0');
    std::copy_n(text.begin(), std::min(text.size(), size - 1), to.begin());
}

}  // namespace

Result<std::unique_ptr<Port>> Port::open(const PortOptions& options,
                                         std::uint32_t number,
                                         const PortSetup& setup) {
    return options.interface.empty() ? VdevPort::open(options, setup)
                                     : InterfacePort::open(options, number, setup);
}

void Port::introduce(shm::PortTelemetry& block) {
    if (options_.name != block.name.data()) {  // another port had this place
        for (shm::Counter* const counter : {&block.receive_packets,
                                            &block.receive_bytes,
                                            &block.receive_missed_packets,
                                            &block.receive_errors,
                                            &block.transmit_packets,
                                            &block.transmit_bytes,
                                            &block.transmit_errors,
                                            &block.kernel_packets,
                                            &block.no_socket_packets,
                                            &block.away_packets,
                                            &block.no_room_packets,
                                            &block.receive_dropped,
                                            &block.receive_ring_full,
                                            &block.receive_invalid,
                                            &block.transmit_invalid}) {
            counter->set(0);
        }
    }
    copy_text(options_.name, block.name);
    copy_text(driver(), block.driver);
    block.interface.set(options_.interface);
    for (shm::Counter* const fact : {&block.conditions,
                                     &block.interface_index,
                                     &block.mtu_bytes,
                                     &block.mtu_limit_bytes,
                                     &block.receive_queues,
                                     &block.xdp_mode,
                                     &block.is_zero_copy,
                                     &block.opens}) {
        fact->set(0);
    }
    base_ = {.receive_packets = block.receive_packets.get(),
             .receive_bytes = block.receive_bytes.get(),
             .receive_missed = block.receive_missed_packets.get(),
             .receive_errors = block.receive_errors.get(),
             .transmit_packets = block.transmit_packets.get(),
             .transmit_bytes = block.transmit_bytes.get(),
             .transmit_errors = block.transmit_errors.get(),
             .losses = {.dropped = block.receive_dropped.get(),
                        .ring_full = block.receive_ring_full.get(),
                        .invalid = block.receive_invalid.get(),
                        .transmit_invalid = block.transmit_invalid.get()}};
}

void Port::report(shm::PortTelemetry& block) const {
    const Readings now = read();
    block.is_up.set(has_link() ? 1 : 0);
    block.receive_packets.set(base_.receive_packets + now.receive_packets);
    block.receive_bytes.set(base_.receive_bytes + now.receive_bytes);
    block.receive_missed_packets.set(base_.receive_missed + now.receive_missed);
    block.receive_errors.set(base_.receive_errors + now.receive_errors);
    block.transmit_packets.set(base_.transmit_packets + now.transmit_packets);
    block.transmit_bytes.set(base_.transmit_bytes + now.transmit_bytes);
    block.transmit_errors.set(base_.transmit_errors + now.transmit_errors);
    block.receive_dropped.set(base_.losses.dropped + now.losses.dropped);
    block.receive_ring_full.set(base_.losses.ring_full + now.losses.ring_full);
    block.receive_invalid.set(base_.losses.invalid + now.losses.invalid);
    block.transmit_invalid.set(base_.losses.transmit_invalid + now.losses.transmit_invalid);
    describe(block);
}

}  // namespace fairlead::engine
