// One worker in memory: tables, counters, a flow table and the context around them. forward() runs
// packets through dp/forward as the engine does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dp/flow/flow_table.h"
#include "dp/forward/fragments/fragment_table.h"
#include "dp/forward/pipeline.h"
#include "tests/support/tables_image.h"

namespace fairlead::testing {

using Bytes = std::vector<std::uint8_t>;

struct Forwarded {
    Verdict verdict;
    Bytes bytes;
};

class ForwardRig {
  public:
    // `flow_buckets` is a power of two.
    explicit ForwardRig(const TablesShape& shape,
                        std::size_t flow_buckets = 64,
                        std::uint32_t services = 16)
        : tables(shape),
          buckets(flow_buckets),
          services_(services),
          backends_(shape.backends),
          worker_(std::make_unique<shm::WorkerBlock>()) {}

    // Publishes what `tables` holds, and begins with the flow entries that stand in `buckets`.
    void start() {
        tables.publish(++generation_);
        reader_ = std::make_unique<shm::TablesReader>(tables.reader());
        flows = std::make_unique<FlowTable>(std::span(buckets), *worker_, std::span(backends_));
        context.tables = reader_.get();
        context.snapshot = reader_->snapshot();
        context.flows = flows.get();
        context.counters = {worker_.get(), services_, backends_};
        context.fragments = &fragments;
    }

    // One packet through the pipeline, in a buffer that holds exactly headroom and packet, or a
    // short one's padding where the context says so.
    [[nodiscard]] Forwarded forward(const Bytes& frame,
                                    std::uint32_t headroom = kNeededHeadroomBytes) {
        Bytes buffer(
            headroom +
            std::max<std::size_t>(frame.size(), context.has_padding_room ? kPaddingRoomBytes : 0));
        std::copy(frame.begin(), frame.end(), buffer.begin() + headroom);
        Packet packet{buffer.data() + headroom, static_cast<std::uint32_t>(frame.size()), headroom};
        Verdict verdict;
        forward_burst(context, {&packet, 1}, {&verdict, 1});
        return {verdict, Bytes(packet.data, packet.data + packet.length)};
    }

    [[nodiscard]] shm::WorkerBlock& worker() noexcept { return *worker_; }
    [[nodiscard]] shm::ServiceCounters& service(ServiceId id) { return services_[to_number(id)]; }
    [[nodiscard]] shm::BackendCounters& backend(BackendIndex index) {
        return backends_[to_number(index)];
    }
    [[nodiscard]] std::uint64_t dropped(DropReason reason) const noexcept {
        return worker_->dropped[static_cast<std::size_t>(reason)].get();
    }

    TablesImage tables;
    std::vector<shm::FlowBucket> buckets;
    std::unique_ptr<FlowTable> flows;
    std::vector<FragmentBucket> fragment_buckets = std::vector<FragmentBucket>(256);
    FragmentTable fragments{fragment_buckets};
    ForwardContext context;

  private:
    std::vector<shm::ServiceCounters> services_;
    std::vector<shm::BackendCounters> backends_;
    std::unique_ptr<shm::WorkerBlock> worker_;
    std::unique_ptr<shm::TablesReader> reader_;
    std::uint64_t generation_ = 0;
};

}  // namespace fairlead::testing
