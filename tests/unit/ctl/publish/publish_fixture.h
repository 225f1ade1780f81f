// A run directory of its own, a worker that acknowledges when told to, and tables to publish.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>

#include <netinet/in.h>

#include "ctl/publish/publisher.h"

namespace fairlead::publish {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "fairlead-XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

class OneWorker final : public Acknowledgements {
  public:
    std::uint64_t lowest() override { return acknowledged; }
    bool follows_tables() override { return !is_waiting && acknowledged != kNoEngine; }
    std::string slowest() override { return "worker 7 on CPU 3"; }
    bool is_waiting = false;
    std::uint64_t acknowledged = std::numeric_limits<std::uint64_t>::max();
};

class NoCounters final : public CounterSource {
  public:
    CounterTotals totals(BackendIndex) override { return now; }
    CounterTotals now;
};

inline DesiredBackend make_backend(int number, std::uint32_t weight = 1) {
    DesiredBackend backend;
    backend.name = "app-" + std::to_string(number);
    backend.address =
        IpAddress::from_v4(Be32::from_host(0x0A00'0400U + static_cast<std::uint32_t>(number)));
    backend.ring_weight = weight;
    backend.admits_new = true;
    backend.keeps_flows = true;
    backend.link =
        Link{.mac = {{2, 0, 0, 0, 4, static_cast<std::uint8_t>(number)}}, .port = PortIndex{0}};
    return backend;
}

inline DesiredTables make_tables(int backends) {
    DesiredTables tables;
    tables.flow_hash_seed = 42;
    tables.ports.push_back(DesiredPort{.mac = {{2, 0, 0, 0, 0, 1}}});
    DesiredService service;
    service.name = "portal";
    service.vip = *IpAddress::parse("203.0.113.10");
    service.port = 443;
    service.protocol = IPPROTO_TCP;
    for (int i = 1; i <= backends; ++i) {
        service.backends.push_back(make_backend(i));
    }
    tables.services.push_back(service);
    return tables;
}

}  // namespace fairlead::publish
