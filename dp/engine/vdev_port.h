// A port that is a DPDK virtual device with a queue pair a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dp/engine/port.h"

namespace fairlead::engine {

class VdevPort final : public Port {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Port>> open(const PortOptions& options,
                                                            const PortSetup& setup);

    void close() override;

  private:
    VdevPort(const PortOptions& options, std::uint16_t device);
    [[nodiscard]] Readings read() const override;
    [[nodiscard]] bool has_link() const override;
    [[nodiscard]] std::string driver() const override;

    std::uint16_t device_;
    bool is_open_ = true;
};

}  // namespace fairlead::engine
