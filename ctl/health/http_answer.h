// The status of an HTTP/1 answer, read as clients read one, from bytes that come in any pieces.
//
// Skipped are interim answers (1xx; RFC 9110, 15.2) in any number: a client must be able to read
// them. Not 101, which is final, since no upgrade was asked for. A line may end in LF alone (RFC
// 9112, 2.2), and a status line without a reason phrase, with or without the space before it. Of
// the fields nothing is looked at but where they end; of a body nothing is wanted.
//
// Bytes are hostile: all heads together are bounded, and what is kept is the status line's begin.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::health {

class HttpAnswer {
  public:
    static constexpr std::size_t kMaxHeaderBytes = 32'768;  // interim answers included

    enum class State : std::uint8_t {
        kMore,  // the head is not whole yet
        kDone,  // status() is the final answer's
        kBad    // problem() says why it is none
    };

    // Bytes behind the head are left alone, and so is everything once the state is not kMore.
    State take(std::string_view bytes);

    [[nodiscard]] State state() const noexcept { return state_; }
    [[nodiscard]] unsigned status() const noexcept { return status_; }
    // A sentence's part for people.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  private:
    void take(char byte);
    void end_line();
    void refuse_status_line();

    State state_ = State::kMore;
    bool is_in_fields_ = false;
    unsigned status_ = 0;
    std::size_t taken_ = 0;
    // Of the line that is read: how much it has, and how it begins.
    std::size_t line_bytes_ = 0;
    std::array<char, 48> line_{};
    char last_ = '\0';
    std::string problem_;
};

}  // namespace fairlead::health
