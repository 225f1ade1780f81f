#include "bpf/loader/libbpf_log.h"

#include <cstdarg>
#include <cstdio>
#include <string>

#include <bpf/libbpf.h>

#include "dp/base/log.h"

namespace fairlead {
namespace {

// libbpf's own signature; it formats into at most 16 KiB, which holds the end of a verifier's log.
__attribute__((format(printf, 2, 0))) int print_message(libbpf_print_level level,
                                                        const char* format,
                                                        va_list arguments) {
    if (level != LIBBPF_WARN) {
        return 0;
    }
    std::string text(16U << 10U, '\0');
    const int length = std::vsnprintf(text.data(), text.size(), format, arguments);
    if (length <= 0) {
        return 0;
    }
    text.resize(std::min(static_cast<std::size_t>(length), text.size() - 1));
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    log_warning("libbpf", {{"message", text}});
    return length;
}

}  // namespace

void send_libbpf_messages_to_log() {
    libbpf_set_print(print_message);
}

}  // namespace fairlead
