// Any bytes as a configuration: they are refused with errors that can be shown, or make a Config
// that keeps what parse_config() promises. libFuzzer calls this with what covers new code of the
// parser, the TOML library's included, under AddressSanitizer and UndefinedBehaviorSanitizer.
//
// By hand, for longer: build/asan/tests/fuzz/config_fuzz -max_total_time=600 CORPUS_DIRECTORY conf
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "conf/schema/keys.h"
#include "conf/schema/parse.h"
#include "conf/schema/scalars.h"

namespace {

using fairlead::conf::Config;
using fairlead::conf::ConfigErrors;

void require(bool holds, std::string_view promise) {
    if (!holds) {
        std::cerr << "broken promise: " << promise << '\n';
        std::abort();
    }
}

void check(const Config& config) {
    using namespace fairlead::conf;
    require(!config.ports.empty() && config.ports.size() <= kMaxPorts, "1 to kMaxPorts ports");
    require(!config.engine.cpus.empty() && config.engine.cpus.size() <= kMaxWorkers,
            "1 to kMaxWorkers workers");
    for (const PortConfig& port : config.ports) {
        require(port.interface.empty() != port.vdev.empty(), "one of interface and vdev");
        require(port.vdev.empty() || (port.mac && !port.addresses.empty()),
                "a vdev has mac and address");
    }
    std::size_t backends = 0;
    for (const ServiceConfig& service : config.services) {
        require(is_name(service.name) && service.port != 0, "a service has a name and a port");
        require(service.backends.size() <= kMaxBackendsOfService, "at most kMaxBackendsOfService");
        require(service.health.rise > 0 && service.health.fall > 0, "thresholds are not zero");
        backends += service.backends.size();
        for (const BackendConfig& backend : service.backends) {
            require(is_name(backend.name) && backend.weight <= 256,
                    "a backend has a name and a weight up to 256");
            require(backend.address.is_v4() == service.vip.is_v4(),
                    "a backend has the VIP's family");
        }
    }
    require(config.services.size() <= kMaxServices && backends <= kMaxBackends,
            "what the segments hold");
}

void check(const ConfigErrors& errors) {
    require(!errors.empty(), "a refusal has a reason");
    for (const auto& error : errors) {
        require(!error.message.empty() && error.file == "fuzz.toml",
                "an error says what and where");
    }
    const std::string text = describe(errors);
    for (const char c : text) {
        require(c == '\n' || c == '\t' || !fairlead::conf::is_control(c),
                "no control characters reach a terminal");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // Bytes are text here.
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto result = fairlead::conf::parse_config(text, "fuzz.toml");
    if (result) {
        check(result.value());
    } else {
        check(result.error());
    }
    return 0;
}
