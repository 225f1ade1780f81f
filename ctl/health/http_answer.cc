#include "ctl/health/http_answer.h"

#include <algorithm>

#include <fmt/format.h>

namespace fairlead::health {
namespace {

constexpr unsigned kSwitchingProtocols = 101;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

// 100 to 999; 0: it is no status line. "HTTP/1.", a digit, a space, three digits, and then nothing
// or a space.
unsigned status_in(std::string_view line) noexcept {
    constexpr std::string_view kVersion = "HTTP/1.";
    constexpr std::size_t kCode = kVersion.size() + 2;
    constexpr std::size_t kEnd = kCode + 3;
    if (line.size() < kEnd || !line.starts_with(kVersion) || !is_digit(line[kVersion.size()]) ||
        line[kCode - 1] != ' ' || (line.size() > kEnd && line[kEnd] != ' ')) {
        return 0;
    }
    unsigned status = 0;
    for (const char digit : line.substr(kCode, 3)) {
        if (!is_digit(digit)) {
            return 0;
        }
        status = status * 10 + static_cast<unsigned>(digit - '0');
    }
    return status < 100 ? 0 : status;
}

}  // namespace

HttpAnswer::State HttpAnswer::take(std::string_view bytes) {
    for (const char byte : bytes) {
        if (state_ != State::kMore) {
            break;
        }
        if (++taken_ > kMaxHeaderBytes) {
            state_ = State::kBad;
            problem_ = fmt::format("its header has more than {} bytes", kMaxHeaderBytes);
            break;
        }
        take(byte);
    }
    return state_;
}

void HttpAnswer::take(char byte) {
    if (byte == '\n') {
        line_bytes_ -= line_bytes_ > 0 && last_ == '\r' ? 1 : 0;
        end_line();
        line_bytes_ = 0;
    } else {
        if (line_bytes_ < line_.size()) {
            line_[line_bytes_] = byte;
        }
        ++line_bytes_;
        // What is no HTTP may never send an end of line.
        if (!is_in_fields_ && line_bytes_ == line_.size() &&
            status_in({line_.data(), line_.size()}) == 0) {
            refuse_status_line();
        }
    }
    last_ = byte;
}

void HttpAnswer::end_line() {
    if (!is_in_fields_) {
        status_ = status_in({line_.data(), std::min(line_bytes_, line_.size())});
        is_in_fields_ = status_ != 0;
        if (status_ == 0) {
            refuse_status_line();
        }
        return;
    }
    if (line_bytes_ > 0) {
        return;
    }
    const bool is_interim = status_ < 200 && status_ != kSwitchingProtocols;
    is_in_fields_ = false;
    state_ = is_interim ? State::kMore : State::kDone;
}

void HttpAnswer::refuse_status_line() {
    state_ = State::kBad;
    std::string begin;
    for (const char c : std::string_view(line_.data(), std::min(line_bytes_, line_.size()))) {
        begin += c >= ' ' && c <= '~' ? c : '?';
    }
    problem_ = fmt::format("it begins with \"{}\", expected \"HTTP/1.1 200\" or the like", begin);
}

}  // namespace fairlead::health
