#include "dp/engine/dpdk_log.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <string_view>

#include <xdp/libxdp.h>

#include <rte_log.h>

#include "dp/base/log.h"

namespace fairlead::engine {
namespace {

constexpr std::array<std::string_view, 4> kExpected{
    "remove_xdp_program(): bpf_xdp_detach failed",
    "Error while removing XDP program",
    "hugepages reported on node",  // of another size: hugepages.h has looked already
    "automatic program removal on unload is disabled",
};

void log_unless_expected(std::string_view event, std::string_view text) {
    while (!text.empty() && text.back() == '\n') {
        text.remove_suffix(1);
    }
    const bool is_expected =
        std::any_of(kExpected.begin(), kExpected.end(), [text](std::string_view expected) {
            return text.find(expected) != std::string_view::npos;
        });
    if (!text.empty() && !is_expected) {
        log_warning(event, {{"message", text}});
    }
}

ssize_t write_of_dpdk(void* /*cookie*/, const char* bytes, std::size_t length) {
    log_unless_expected("dpdk", std::string_view(bytes, length));
    return static_cast<ssize_t>(length);
}

__attribute__((format(printf, 2, 0))) int print_of_libxdp(libxdp_print_level level,
                                                          const char* format,
                                                          va_list arguments) {
    if (level != LIBXDP_WARN) {
        return 0;
    }
    std::string text(1'024, '\0');
    const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
    if (length > 0) {
        text.resize(std::min(static_cast<std::size_t>(length), text.size() - 1));
        log_unless_expected("libxdp", text);
    }
    return length;
}

}  // namespace

void send_dpdk_messages_to_log() {
    libxdp_set_print(print_of_libxdp);
    // DPDK writes to a FILE; this one hands lines on.
    cookie_io_functions_t functions{};
    functions.write = write_of_dpdk;
    FILE* const stream = ::fopencookie(nullptr, "w", functions);
    if (stream != nullptr) {
        (void)std::setvbuf(stream, nullptr, _IOLBF, 0);
        (void)rte_openlog_stream(stream);
    }
}

}  // namespace fairlead::engine
